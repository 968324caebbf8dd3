/**
 * Reading regular files and nothing else. What is no regular file is refused before it is opened, since opening a FIFO
 * waits for a writer and opening a device may act on it; O_NONBLOCK and a second look at the open file cover a path that
 * changes in between. Whole files of any size: Node reads less than 2 GiB in one call.
 */
import { constants as bufferConstants } from 'node:buffer';
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, statSync } from 'node:fs';
import { lstat, open, stat, type FileHandle } from 'node:fs/promises';
import { FileError, isSystemError, readError } from './errors.js';
import { kindOfEntry, requireFile, type LinkOptions } from './kind.js';

export interface OpenOptions extends LinkOptions {
  /** Bytes that are accepted at most. Default: no limit. */
  readonly maxBytes?: number;
}

export interface ReadOptions extends LinkOptions {
  /** Bytes that are accepted at most; a larger file is refused before anything is allocated. */
  readonly maxBytes: number;
  /** Called with each chunk as it is read, such as by a hash. */
  readonly onChunk?: (chunk: Uint8Array) => void;
  /** Bytes of a chunk. Default: 64 MiB. */
  readonly chunkBytes?: number;
}

/** Bytes that go through one call of the file system or of a hash, by default. */
const defaultChunkBytes = 2 ** 26;

/** Bytes of a text file that are accepted by default: 64 MiB, far above any configuration, manifest, or index. */
const defaultTextBytes = 2 ** 26;

// Windows has neither flag: the constants are undefined there, which `|` takes for 0.
const readFlags = constants.O_RDONLY | constants.O_NONBLOCK | (constants.O_NOCTTY ?? 0);

function flagsOf(followLinks: boolean): number {
  return followLinks ? readFlags : readFlags | constants.O_NOFOLLOW;
}

/** The parts of `bytes`, in order, each at most `size` long: views, no copies. */
export function* splitIntoChunks(bytes: Uint8Array, size = defaultChunkBytes): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** An open regular file: the caller closes `fd`. */
export interface OpenFile {
  readonly fd: number;
  /** Bytes when it was opened. */
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
 * The bytes of a regular file in order, without ever holding more than one chunk: the buffer is used again for the next.
 *
 * @throws {FileError} as `openRegularFile` does, or if the file may not be read to its end
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
 * The bytes of a regular file, in a buffer that shares its memory with nothing else.
 *
 * @throws {FileError} if it does not exist, is not a regular file, is larger than `maxBytes`, becomes shorter while it is
 * read, or may not be read; and what `onChunk` throws
 */
export function readRegularFile(path: string, { onChunk, chunkBytes, ...options }: ReadOptions): Buffer {
  const { fd, size } = openRegularFile(path, withinMemory(options));
  try {
    const bytes = Buffer.allocUnsafeSlow(size);
    for (const chunk of splitIntoChunks(bytes, chunkBytes)) {
      // Fewer bytes than asked are a normal answer.
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
 * The bytes of a regular file, as `readRegularFile` gives them.
 *
 * @throws {FileError} if it does not exist, is not a regular file, is larger than `maxBytes`, becomes shorter while it is
 * read, or may not be read; and what `onChunk` throws
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
 * The text of a regular UTF-8 file, of at most 64 MiB unless `maxBytes` says otherwise.
 *
 * @throws {FileError} as `readRegularFile` does
 */
export function readTextFile(path: string, { maxBytes = defaultTextBytes, ...options }: OpenOptions = {}): string {
  return readRegularFile(path, { maxBytes, ...options }).toString('utf8');
}

/** No buffer can be longer, whatever the caller accepts. */
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
