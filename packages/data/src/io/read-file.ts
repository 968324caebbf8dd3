/** File reads that fail with a DataError. `@dm/files` does the reading. */
import { FileError, openRegularFileAsync, readRegularFileAsync } from '@dm/files';
import type { FileHandle } from 'node:fs/promises';
import { DataError, reasonOf } from '../errors.js';

const REASONS: Readonly<Record<string, string>> = {
  FILE_NOT_FOUND: 'no such file.',
  ENOENT: 'no such file.',
  EISDIR: 'is a folder; a file is needed.',
  EACCES: 'may not be read by this user. Change its permissions.',
  EPERM: 'may not be read by this user. Change its permissions.',
};

/** Converts a failed file operation to a DataError that names the file, the reason, and a fix. */
export function fileError(path: string, cause: unknown): DataError {
  const { code = '' } = cause as NodeJS.ErrnoException;
  const notFound = code === 'ENOENT' || code === 'FILE_NOT_FOUND';
  const otherwise = cause instanceof FileError ? cause.reason : `cannot be read (${reasonOf(cause)}).`;
  return new DataError(`${path}: ${REASONS[code] ?? otherwise}`, {
    code: notFound ? 'DATA_NOT_FOUND' : 'DATA_UNREADABLE',
    cause,
  });
}

/**
 * Reads a regular file.
 * @throws {DataError} if it cannot be read; the message names it
 */
export async function readBytes(path: string): Promise<Buffer> {
  return readRegularFileAsync(path, { maxBytes: Infinity }).catch((cause: unknown) => {
    throw fileError(path, cause);
  });
}

/**
 * Opens a regular file for reading while `use` runs.
 * @throws {DataError} if it cannot be opened; the message names it
 */
export async function withFile<T>(path: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await openRegularFileAsync(path).catch((cause: unknown) => {
    throw fileError(path, cause);
  });
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

/**
 * Calls `use` with each chunk of the bytes in [start, end).
 * @throws {DataError} if the file cannot be read
 */
export async function readPieces(
  path: string,
  use: (piece: Uint8Array) => void,
  { start = 0, end = Infinity }: { readonly start?: number; readonly end?: number } = {},
): Promise<void> {
  if (end <= start) return;
  await withFile(path, async (file) => {
    const pieces = file.createReadStream({ start, end: end - 1, autoClose: false, highWaterMark: 2 ** 20 });
    try {
      for await (const piece of pieces) use(piece as Uint8Array);
    } catch (cause) {
      throw fileError(path, cause);
    }
  });
}

/**
 * Reads `length` bytes at `position`.
 * @throws {DataError} if the file is too short
 */
export async function readAt(file: FileHandle, path: string, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, position).catch((cause: unknown) => {
    throw fileError(path, cause);
  });
  if (bytesRead !== length) {
    throw new DataError(
      `${path}: truncated: it ends at byte ${position + bytesRead}, within the data that starts at ${position}.`,
      { code: 'DATA_CORRUPT' },
    );
  }
  return bytes;
}
