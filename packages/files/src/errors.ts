import { DmError, type DmErrorOptions } from '@dm/ops';

/**
 * - `FILE_NOT_FOUND`: no such file or folder.
 * - `FILE_KIND`: the path is of another kind than needed: a folder, FIFO, device, socket, or symbolic link.
 * - `FILE_TOO_LARGE`: larger than the reader accepts.
 * - `FILE_CHANGED`: became shorter while it was read.
 * - `FILE_INVALID`: the content does not follow its format.
 * - `FILE_UNREADABLE`: cannot be read for another reason, such as permissions.
 * - `FILE_OUTSIDE`: the path leads out of its folder.
 * - `FILE_EXISTS`: exists already, and `overwrite` is false.
 * - `DISK_FULL`: no space left, or the quota is used up.
 * - `WRITE_FAILED`: cannot be written for another reason, such as permissions.
 */
export type FileErrorCode =
  | 'FILE_NOT_FOUND'
  | 'FILE_KIND'
  | 'FILE_TOO_LARGE'
  | 'FILE_CHANGED'
  | 'FILE_INVALID'
  | 'FILE_UNREADABLE'
  | 'FILE_OUTSIDE'
  | 'FILE_EXISTS'
  | 'DISK_FULL'
  | 'WRITE_FAILED';

/** A file or folder that could not be read or written. The message has the path, the reason, and a fix. */
export class FileError extends DmError<FileErrorCode> {
  override readonly name = 'FileError';
  readonly path: string;
  /** The message without the path. */
  readonly reason: string;

  constructor(path: string, reason: string, options: DmErrorOptions<FileErrorCode> & { readonly code: FileErrorCode }) {
    super(`${path} ${reason}`, options);
    this.path = path;
    this.reason = reason;
  }
}

/** The code of a system error, such as `ENOENT`. */
export function errnoOf(error: unknown): string | undefined {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** Whether an error comes from a system call rather than from the caller's code. */
export function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}

/** Converts an error of reading a file to a FileError; a FileError is returned unchanged. */
export function readError(path: string, error: unknown): FileError {
  if (error instanceof FileError) return error;
  switch (errnoOf(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new FileError(path, 'does not exist.', { code: 'FILE_NOT_FOUND', cause: error });
    case 'EISDIR':
      return new FileError(path, 'is a folder; a file is needed.', { code: 'FILE_KIND', cause: error });
    case 'ELOOP':
      return new FileError(path, 'is a symbolic link in a cycle, or one that is not followed here.', {
        code: 'FILE_KIND',
        cause: error,
      });
    case 'ENXIO':
      return new FileError(path, 'is a socket or device; a file is needed.', { code: 'FILE_KIND', cause: error });
    case 'EACCES':
    case 'EPERM':
      return new FileError(path, 'may not be read by this user. Change its permissions.', {
        code: 'FILE_UNREADABLE',
        cause: error,
      });
    default:
      return new FileError(path, `could not be read (${messageOf(error)}).`, { code: 'FILE_UNREADABLE', cause: error });
  }
}

/** Suggested fix by system error code. */
const remedies: Readonly<Record<string, string>> = {
  ENOSPC: 'The disk is full: free some space.',
  EDQUOT: 'The disk quota is used up: free some space.',
  EFBIG: 'The file is larger than this system allows (ulimit -f): raise that limit.',
  EACCES: 'It may not be written by this user: choose another folder.',
  EPERM: 'It may not be written by this user: choose another folder.',
  EROFS: 'The file system is read-only: choose another folder.',
  ENOENT: 'A folder of its path does not exist.',
  ENOTDIR: 'A part of its path is not a folder.',
  EISDIR: 'It is a folder; choose another name.',
  ELOOP: 'Its path has symbolic links in a cycle.',
  ENAMETOOLONG: 'Choose a shorter name.',
};

/** Converts an error of writing a file to a FileError; a FileError is returned unchanged. */
export function writeError(path: string, error: unknown): FileError {
  if (error instanceof FileError) return error;
  const errno = errnoOf(error) ?? '';
  const remedy = remedies[errno];
  return new FileError(path, `could not be written (${messageOf(error)}).${remedy === undefined ? '' : ` ${remedy}`}`, {
    code: errno === 'ENOSPC' || errno === 'EDQUOT' ? 'DISK_FULL' : 'WRITE_FAILED',
    cause: error,
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
