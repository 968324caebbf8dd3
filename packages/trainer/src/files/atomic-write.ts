/** Writing so that a crash or a power cut leaves the old state or the new one, and nothing between. */
import { appendFileSync, closeSync, existsSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf, UserError } from '../errors.js';

/**
 * Writes a whole file and waits until it is on the disk. The file must not exist unless `overwrite` is set. Throws a
 * UserError that says what to do where the disk refuses.
 */
export function writeAndFsync(path: string, data: Uint8Array | string, overwrite = false): void {
  try {
    writeChunks(path, [bytesOf(data)], overwrite);
  } catch (error) {
    throw writeError(path, error);
  }
}

/** Puts a new file in the place of an old one in one step. Throws as `writeAndFsync` does. */
export function atomicWriteFile(path: string, data: Uint8Array | string): void {
  const temporary = `${path}.partial`;
  try {
    writeChunks(temporary, [bytesOf(data)], true);
    renameSync(temporary, path);
    fsyncFolder(dirname(path));
  } catch (error) {
    throw writeError(path, error);
  }
}

/** Adds to the end of a file, not waiting for the disk. Throws as `writeAndFsync` does. */
export function appendFile(path: string, data: Uint8Array | string): void {
  try {
    appendFileSync(path, data);
  } catch (error) {
    throw writeError(path, error);
  }
}

/** Writes a file chunk by chunk and waits until it is on the disk. Throws what the file system throws. */
export function writeChunks(path: string, chunks: Iterable<Uint8Array>, overwrite = false): void {
  const fd = openSync(path, overwrite ? 'w' : 'wx');
  try {
    for (const bytes of chunks) {
      waitForTest();
      // One call writes at most 2 GiB, and fewer bytes than asked are a normal answer.
      for (let done = 0; done < bytes.length;) {
        done += writeSync(fd, bytes, done, Math.min(bytes.length - done, 1 << 28));
      }
    }
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Waits until what was appended to a file is on the disk; does nothing where there is no file. */
export function fsyncFile(path: string): void {
  if (!existsSync(path)) return;
  const fd = openSync(path, 'r+');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Makes the names inside a folder durable. Windows cannot open folders, and renames there are journalled. */
export function fsyncFolder(path: string): void {
  if (process.platform === 'win32') return;
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** What the person can do about an error of the file system, by its code. */
const remedies: Readonly<Record<string, string>> = {
  ENOSPC: 'The disk is full: free some space, or keep fewer checkpoints (--keep-last 1).',
  EDQUOT: 'The disk quota is used up: free some space, or keep fewer checkpoints (--keep-last 1).',
  EFBIG: 'The file is larger than this system allows (ulimit -f): raise that limit.',
  EACCES: 'The folder may not be written: choose another with --out.',
  EPERM: 'The folder may not be written: choose another with --out.',
  EROFS: 'The file system is read-only: choose another folder with --out.',
};

/** A UserError with cause and remedy where the file system refused for a reason that a person can put right; else the error itself. */
export function writeError(what: string, error: unknown): Error {
  const { code = '' } = error as NodeJS.ErrnoException;
  const remedy = remedies[code];
  if (remedy !== undefined) {
    return new UserError(`${what} could not be written (${messageOf(error)}). ${remedy}`, {
      code: code === 'ENOSPC' || code === 'EDQUOT' ? 'DISK_FULL' : 'WRITE_FAILED',
    });
  }
  return error instanceof Error ? error : new Error(String(error));
}

function bytesOf(data: Uint8Array | string): Uint8Array {
  return typeof data === 'string' ? Buffer.from(data, 'utf8') : data;
}

/** For tests alone, which kill a process while it writes: DM_TEST_SLOW_WRITE=<milliseconds> waits before each chunk. */
function waitForTest(): void {
  const ms = Number(process.env['DM_TEST_SLOW_WRITE'] ?? 0);
  if (ms > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
