/** Atomic writes of `@dm/files` with errors converted to UserErrors that suggest a flag. */
import { atomicWriteFile as writeAtomically, FileError, type AtomicWriteOptions, type FileData } from '@dm/files';
import { messageOf, UserError } from '../errors.js';

/**
 * Atomically creates or replaces a file; it is synced to disk when this returns.
 *
 * @throws {UserError} if it exists and `overwrite` is false, is not a regular file, or cannot be written
 */
export function atomicWriteFile(path: string, data: FileData, options: AtomicWriteOptions = {}): void {
  try {
    writeAtomically(path, data, options);
  } catch (error) {
    throw writeError(path, error);
  }
}

/** What the user can do about a file system error, by its code. */
const remedies: Readonly<Record<string, string>> = {
  ENOSPC: 'The disk is full: free some space, or keep fewer checkpoints (--keep-last 1).',
  EDQUOT: 'The disk quota is used up: free some space, or keep fewer checkpoints (--keep-last 1).',
  EFBIG: 'The file is larger than this system allows (ulimit -f): raise that limit.',
  EACCES: 'No permission to write to the folder: choose another with --out.',
  EPERM: 'No permission to write to the folder: choose another with --out.',
  EROFS: 'The file system is read-only: choose another folder with --out.',
};

/** A UserError with cause and remedy for file system errors that the user can fix; otherwise `error` itself. */
export function writeError(what: string, error: unknown): Error {
  const cause = error instanceof FileError ? (error.cause ?? error) : error;
  const { code = '' } = cause as NodeJS.ErrnoException;
  const remedy = remedies[code];
  if (remedy !== undefined) {
    return new UserError(`${what} could not be written (${messageOf(cause)}). ${remedy}`, {
      code: code === 'ENOSPC' || code === 'EDQUOT' ? 'DISK_FULL' : 'WRITE_FAILED',
    });
  }
  if (error instanceof FileError) {
    const known = error.code === 'FILE_EXISTS' || error.code === 'DISK_FULL' ? error.code : 'WRITE_FAILED';
    return new UserError(error.message, { code: known, cause: error });
  }
  return error instanceof Error ? error : new Error(String(error));
}
