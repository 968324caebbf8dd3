import { open, readFile, type FileHandle } from 'node:fs/promises';
import { DataError, reasonOf } from '../errors.js';

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file.',
  EISDIR: 'is a folder; a file is needed.',
  EACCES: 'may not be read by this user. Change its permissions.',
  EPERM: 'may not be read by this user. Change its permissions.',
};

/** A failed file operation as a DataError that names the file, why, and what helps. */
export function fileError(path: string, cause: unknown): DataError {
  const { code = '' } = cause as NodeJS.ErrnoException;
  return new DataError(`${path}: ${REASONS[code] ?? `cannot be read (${reasonOf(cause)}).`}`, {
    code: code === 'ENOENT' ? 'DATA_NOT_FOUND' : 'DATA_UNREADABLE',
    cause,
  });
}

/** The bytes of a file. Throws a DataError that names it. */
export async function readBytes(path: string): Promise<Buffer> {
  return readFile(path).catch((cause: unknown) => {
    throw fileError(path, cause);
  });
}

/** Opens a file for reading while `use` runs. Throws a DataError that names it where it cannot be opened. */
export async function withFile<T>(path: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path).catch((cause: unknown) => {
    throw fileError(path, cause);
  });
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

/** `length` bytes at `position`. Throws a DataError where the file ends before. */
export async function readAt(file: FileHandle, path: string, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, position).catch((cause: unknown) => {
    throw fileError(path, cause);
  });
  if (bytesRead !== length) {
    throw new DataError(
      `${path}: cut off: it ends at byte ${position + bytesRead}, within what starts at ${position}.`,
      { code: 'DATA_CORRUPT' },
    );
  }
  return bytes;
}
