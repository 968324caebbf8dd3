import { DmError, type DmErrorOptions } from '@dm/ops';

/**
 * - `FILE_NOT_FOUND`: no such file or folder.
 * - `FILE_KIND`: something else than what is needed: a folder, FIFO, device, socket, or a symbolic link.
 * - `FILE_TOO_LARGE`: larger than the reader accepts.
 * - `FILE_CHANGED`: it became shorter while it was read.
 * - `FILE_INVALID`: its content is not what its format allows.
 * - `FILE_UNREADABLE`: the operating system refuses to read it for another reason.
 * - `FILE_OUTSIDE`: a path that leads out of the folder it belongs to.
 * - `FILE_EXISTS`: already there, and not to be replaced.
 * - `DISK_FULL`: no space is left, or the quota is used up.
 * - `WRITE_FAILED`: the operating system refuses to write for another reason.
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

/** A file or folder that could not be read or written. The message names it, the reason, and what helps. */
export class FileError extends DmError<FileErrorCode> {
  override readonly name = 'FileError';
  readonly path: string;
  /** The message without the path in front. */
  readonly reason: string;

  constructor(path: string, reason: string, options: DmErrorOptions<FileErrorCode> & { readonly code: FileErrorCode }) {
    super(`${path} ${reason}`, options);
    this.path = path;
    this.reason = reason;
  }
}

/** The code of an error of the operating system, such as `ENOENT`. */
export function errnoOf(error: unknown): string | undefined {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** Whether the operating system refused something, as opposed to an error of the caller's code. */
export function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}

/** What failed when a file was read, as a FileError; a FileError is returned as it is. */
export function readError(path: string, error: unknown): FileError {
  if (error instanceof FileError) return error;
  switch (errnoOf(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new FileError(path, 'does not exist.', { code: 'FILE_NOT_FOUND', cause: error });
    case 'EISDIR':
      return new FileError(path, 'is a folder; a file is needed.', { code: 'FILE_KIND', cause: error });
    case 'ELOOP':
      return new FileError(path, 'is a symbolic link that leads in a circle, or one that is not followed here.', {
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

/** What the person can do about an error of the file system, by its code. */
const remedies: Readonly<Record<string, string>> = {
  ENOSPC: 'The disk is full: free some space.',
  EDQUOT: 'The disk quota is used up: free some space.',
  EFBIG: 'The file is larger than this system allows (ulimit -f): raise that limit.',
  EACCES: 'It may not be written by this user: choose another folder.',
  EPERM: 'It may not be written by this user: choose another folder.',
  EROFS: 'The file system is read-only: choose another folder.',
  ENOENT: 'A folder on the way to it does not exist.',
  ENOTDIR: 'Something on the way to it is not a folder.',
  EISDIR: 'It is a folder; choose another name.',
  ELOOP: 'A symbolic link on the way to it leads in a circle.',
  ENAMETOOLONG: 'Choose a shorter name.',
};

/** What failed when a file was written, as a FileError; a FileError is returned as it is. */
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
