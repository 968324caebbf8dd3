/**
 * Reading regular files only. Other kinds are refused before they are opened, since opening a FIFO waits for a writer
 * and opening a device may have side effects; O_NONBLOCK and a check of the open file cover a path that changes in
 * between. Files of any size are read in chunks, since one call in Node reads less than 2 GiB.
 */
import { constants as bufferConstants } from 'node:buffer';
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, statSync } from 'node:fs';
import { lstat, open, stat, type FileHandle } from 'node:fs/promises';
import { FileError, isSystemError, readError } from './errors.js';
import { kindOfEntry, requireFile, type LinkOptions } from './kind.js';

export interface OpenOptions extends LinkOptions {
  /** Maximum size in bytes. Default: no limit. */
  readonly maxBytes?: number;
}

export interface ReadOptions extends LinkOptions {
  /** Maximum size in bytes; a larger file is refused before memory is allocated. */
  readonly maxBytes: number;
  /** Called with each chunk as it is read, for example to hash it. */
  readonly onChunk?: (chunk: Uint8Array) => void;
  /** Chunk size in bytes. Default: 64 MiB. */
  readonly chunkBytes?: number;
}

/** Default size of one read. */
const defaultChunkBytes = 2 ** 26;

/** Default maximum size of a text file: 64 MiB, far above any configuration, manifest, or index. */
const defaultTextBytes = 2 ** 26;

// Windows has neither flag: the constants are undefined there, which `|` treats as 0.
const readFlags = constants.O_RDONLY | constants.O_NONBLOCK | (constants.O_NOCTTY ?? 0);

function flagsOf(followLinks: boolean): number {
  return followLinks ? readFlags : readFlags | constants.O_NOFOLLOW;
}

/** Consecutive views of `bytes`, each at most `size` bytes long; nothing is copied. */
export function* splitIntoChunks(bytes: Uint8Array, size = defaultChunkBytes): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** An open regular file: the caller closes `fd`. */
export interface OpenFile {
  readonly fd: number;
  /** Size in bytes when it was opened. */
  readonly size: number;
}

/**
 * Opens a regular file for reading.
 *
 * @throws {FileError} if it does not exist, is not a regular file, is larger than `maxBytes`, or may not be read
 */
export function openRegularFile(path: string, { followLinks = true, maxBytes }: OpenOptions = {}): OpenFile {
  let fd: number | undefined;
  try {
    requireFile(path, kindOfEntry(followLinks ? statSync(path) : lstatSync(path)));
    fd = openSync(path, flagsOf(followLinks));
    const found = fstatSync(fd);
    requireFile(path, kindOfEntry(found));
    requireSize(path, found.size, maxBytes);
    return { fd, size: found.size };
  } catch (error) {
    if (fd !== undefined) closeSync(fd);
    throw readError(path, error);
  }
}

/**
 * Opens a regular file for reading, as `openRegularFile` does. The caller closes the handle.
 *
 * @throws {FileError} if it does not exist, is not a regular file, is larger than `maxBytes`, or may not be read
 */
export async function openRegularFileAsync(
  path: string,
  { followLinks = true, maxBytes }: OpenOptions = {},
): Promise<FileHandle> {
  let file: FileHandle | undefined;
  try {
    requireFile(path, kindOfEntry(await (followLinks ? stat(path) : lstat(path))));
    file = await open(path, flagsOf(followLinks));
    const found = await file.stat();
    requireFile(path, kindOfEntry(found));
    requireSize(path, found.size, maxBytes);
    return file;
  } catch (error) {
    await file?.close();
    throw readError(path, error);
  }
}

/**
 * Reads a regular file chunk by chunk. The buffer is reused: a chunk is valid until the next one is read.
 *
 * @throws {FileError} as `openRegularFile` does, or if a read fails
 */
export function* readChunks(
  path: string,
  { chunkBytes = 2 ** 20, ...options }: OpenOptions & Pick<ReadOptions, 'chunkBytes'> = {},
): Generator<Buffer, void, undefined> {
  const { fd } = openRegularFile(path, options);
  try {
    const buffer = Buffer.allocUnsafe(chunkBytes);
    for (;;) {
      const read = readNext(path, fd, buffer);
      if (read === 0) return;
      yield buffer.subarray(0, read);
    }
  } finally {
    closeSync(fd);
  }
}

function readNext(path: string, fd: number, buffer: Buffer): number {
  try {
    return readSync(fd, buffer, 0, buffer.length, null);
  } catch (error) {
    throw readError(path, error);
  }
}

/**
 * Reads a regular file into a buffer that is not part of Node's buffer pool.
 *
 * @throws {FileError} if it does not exist, is not a regular file, is larger than `maxBytes`, becomes shorter while it
 * is read, or may not be read; also rethrows errors of `onChunk`
 */
export function readRegularFile(path: string, { onChunk, chunkBytes, ...options }: ReadOptions): Buffer {
  const { fd, size } = openRegularFile(path, withinMemory(options));
  try {
    const bytes = Buffer.allocUnsafeSlow(size);
    for (const chunk of splitIntoChunks(bytes, chunkBytes)) {
      // A read may return fewer bytes than requested.
      for (let done = 0; done < chunk.length;) {
        const read = readSync(fd, chunk, done, chunk.length - done, null);
        if (read === 0) throw changed(path);
        done += read;
      }
      onChunk?.(chunk);
    }
    return bytes;
  } catch (error) {
    throw isSystemError(error) ? readError(path, error) : error;
  } finally {
    closeSync(fd);
  }
}

/**
 * Reads a regular file, as `readRegularFile` does.
 *
 * @throws {FileError} if it does not exist, is not a regular file, is larger than `maxBytes`, becomes shorter while it
 * is read, or may not be read; also rethrows errors of `onChunk`
 */
export async function readRegularFileAsync(
  path: string,
  { onChunk, chunkBytes, ...options }: ReadOptions,
): Promise<Buffer> {
  const file = await openRegularFileAsync(path, withinMemory(options));
  try {
    const bytes = Buffer.allocUnsafeSlow((await file.stat()).size);
    for (const chunk of splitIntoChunks(bytes, chunkBytes)) {
      for (let done = 0; done < chunk.length;) {
        const { bytesRead } = await file.read(chunk, done, chunk.length - done, null);
        if (bytesRead === 0) throw changed(path);
        done += bytesRead;
      }
      onChunk?.(chunk);
    }
    return bytes;
  } catch (error) {
    throw isSystemError(error) ? readError(path, error) : error;
  } finally {
    await file.close();
  }
}

/**
 * Reads a regular UTF-8 file of at most `maxBytes` (default 64 MiB).
 *
 * @throws {FileError} as `readRegularFile` does
 */
export function readTextFile(path: string, { maxBytes = defaultTextBytes, ...options }: OpenOptions = {}): string {
  return readRegularFile(path, { maxBytes, ...options }).toString('utf8');
}

/** Limits `maxBytes` to the maximum size of a buffer. */
function withinMemory({ maxBytes = Infinity, ...options }: OpenOptions): OpenOptions {
  return { ...options, maxBytes: Math.min(maxBytes, bufferConstants.MAX_LENGTH) };
}

function requireSize(path: string, size: number, maxBytes = Infinity): void {
  if (size <= maxBytes) return;
  throw new FileError(path, `has ${size} bytes; at most ${maxBytes} are accepted here.`, { code: 'FILE_TOO_LARGE' });
}

function changed(path: string): FileError {
  return new FileError(path, 'became shorter while it was read.', { code: 'FILE_CHANGED' });
}
