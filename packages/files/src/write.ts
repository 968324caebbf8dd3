/**
 * Crash-safe (atomic) writes: write to a temporary file next to the target (opened exclusively), fsync, rename, fsync
 * the folder. After a crash or power failure the target is the old or the new version. Never writes through links. A
 * folder that is not empty cannot be replaced in one step: a crash between two renames leaves its old version under
 * another name, which the next process that writes in the folder above gives back (`removeLeftovers`).
 */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readdirSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { errnoOf, FileError, isSystemError, writeError } from './errors.js';
import { makeFolder, removeTree, requireRealFolder } from './folder.js';
import { fileKind, kindNames, kindOfEntry } from './kind.js';
import { renameOver } from './rename.js';
import { sweepOnce, temporaryPath } from './temporary.js';

/** Bytes, text (written as UTF-8), or an iterable of chunks. */
export type FileData = Uint8Array | string | Iterable<Uint8Array>;

export interface AtomicWriteOptions {
  /** Replace an existing target; if false, an existing target is an error. Default: true. */
  readonly overwrite?: boolean;
}

/**
 * Writes a file atomically and durably. A symbolic link at `path` is replaced by the file; a folder, FIFO, socket or
 * device is refused.
 *
 * @throws {FileError} if `path` is of another kind, exists and `overwrite` is false, or cannot be written; also
 * rethrows errors of the iterable
 */
export function atomicWriteFile(path: string, data: FileData, { overwrite = true }: AtomicWriteOptions = {}): void {
  const temporary = prepareTarget(path, overwrite);
  try {
    writeChunks(temporary, chunksOf(data));
    publish(temporary, path, overwrite);
    fsyncFolder(dirname(path));
  } catch (error) {
    discard(temporary);
    throw isSystemError(error) ? writeError(path, error) : error;
  }
}

/**
 * Writes a file atomically, as `atomicWriteFile` does; `write` writes the content to the handle.
 *
 * @throws {FileError} as `atomicWriteFile` does; also rethrows errors of `write` that are not system errors
 */
export async function atomicWriteFileAsync<T>(
  path: string,
  write: (file: FileHandle) => Promise<T>,
  { overwrite = true }: AtomicWriteOptions = {},
): Promise<T> {
  const temporary = prepareTarget(path, overwrite);
  try {
    const file = await open(temporary, createFlags, 0o666);
    let result: T;
    try {
      result = await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    publish(temporary, path, overwrite);
    fsyncFolder(dirname(path));
    return result;
  } catch (error) {
    discard(temporary);
    throw isSystemError(error) ? writeError(path, error) : error;
  }
}

/**
 * Gives a complete file its name. Unless `overwrite`, by a hard link, which fails if another process has written the
 * target in the meantime; file systems without hard links get a rename after another look.
 */
function publish(temporary: string, path: string, overwrite: boolean): void {
  if (overwrite) return renameOver(temporary, path);
  try {
    linkSync(temporary, path);
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') throw existsError(path);
    refuseTarget(path, ['file', 'link'], false);
    return renameOver(temporary, path);
  }
  discard(temporary);
}

/** Checks the target of a write, and returns the temporary path for it. */
function prepareTarget(path: string, overwrite: boolean): string {
  requireRealFolder(dirname(path));
  refuseTarget(path, ['file', 'link'], overwrite);
  sweepOnce(dirname(path));
  return temporaryPath(path);
}

/**
 * Calls `fill` with a new temporary folder, then renames it to `path`, replacing an existing folder. If `fill` fails,
 * `path` is unchanged and the temporary folder is removed.
 *
 * @throws {FileError} if `path` is not a folder, is not empty and `overwrite` is false, or cannot be written; also
 * rethrows errors of `fill`
 */
export async function atomicWriteFolder<T>(
  path: string,
  fill: (temporary: string) => Promise<T> | T,
  { overwrite = true }: AtomicWriteOptions = {},
): Promise<T> {
  const full = resolve(path);
  makeFolder(dirname(full));
  sweepOnce(dirname(full)); // may restore the target
  refuseTarget(full, ['folder'], overwrite || isEmptyFolder(full));
  const temporary = temporaryPath(full);
  try {
    makeFolder(temporary);
    const result = await fill(temporary);
    fsyncFolder(temporary);
    replaceFolder(temporary, full, overwrite);
    return result;
  } catch (error) {
    discard(temporary);
    throw error;
  }
}

/** Moves the old folder aside first, since rename does not replace a folder that is not empty. */
function replaceFolder(temporary: string, path: string, overwrite: boolean): void {
  try {
    const old = temporaryPath(path, 'replaced');
    const exists = fileKind(path, { followLinks: false }) !== undefined;
    if (exists && !overwrite && !isEmptyFolder(path)) throw existsError(path);
    if (exists) renameOver(path, old);
    try {
      renameOver(temporary, path);
    } catch (error) {
      if (exists) renameOver(old, path);
      throw error;
    }
    fsyncFolder(dirname(path));
    if (exists) removeTree(old);
  } catch (error) {
    throw writeError(path, error);
  }
}

function isEmptyFolder(path: string): boolean {
  return fileKind(path, { followLinks: false }) === 'folder' && readdirSync(path).length === 0;
}

/**
 * Creates a file durably but not atomically, for files in a temporary folder (`atomicWriteFolder`). Otherwise use
 * `atomicWriteFile`.
 *
 * @throws {FileError} if `path` exists or cannot be written
 */
export function createFile(path: string, data: FileData): void {
  try {
    writeChunks(path, chunksOf(data));
  } catch (error) {
    throw errnoOf(error) === 'EEXIST' ? existsError(path) : writeError(path, error);
  }
}

// Windows lacks some of these: the constants are undefined there, which `|` treats as 0.
const createFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const appendFlags =
  constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Opens a file for appending, and creates it if it does not exist. The caller closes the descriptor.
 *
 * @throws {FileError} if `path` is not a regular file, has another hard link, or cannot be opened
 */
export function openForAppend(path: string): number {
  let fd: number | undefined;
  try {
    refuseTarget(path, ['file'], true);
    fd = openSync(path, appendFlags, 0o666);
    const found = fstatSync(fd);
    const kind = kindOfEntry(found);
    if (kind !== 'file') throw kindError(path, kindNames[kind]);
    if (found.nlink > 1) throw kindError(path, 'a file with another hard link');
    return fd;
  } catch (error) {
    if (fd !== undefined) closeSync(fd);
    throw writeError(path, error);
  }
}

/** Writes a new file chunk by chunk, with fsync. */
function writeChunks(path: string, chunks: Iterable<Uint8Array>): void {
  const fd = openSync(path, createFlags, 0o666);
  try {
    for (const bytes of chunks) {
      waitForTest();
      writeAll(fd, bytes);
    }
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** One call writes at most 2 GiB, and may write fewer bytes than requested. */
function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) {
    done += writeSync(fd, bytes, done, Math.min(bytes.length - done, 1 << 28));
  }
}

/**
 * Flushes a file to disk (fsync); does nothing if it does not exist.
 *
 * @throws {FileError} if it is not a regular file, or fsync fails
 */
export function fsyncFile(path: string): void {
  if (fileKind(path, { followLinks: false }) === undefined) return;
  const fd = openForAppend(path);
  try {
    fsyncSync(fd);
  } catch (error) {
    throw writeError(path, error);
  } finally {
    closeSync(fd);
  }
}

/**
 * Flushes the entries of a folder to disk (fsync). Does nothing on Windows, which cannot open folders and journals
 * renames.
 *
 * @throws {FileError} if fsync fails
 */
export function fsyncFolder(path: string): void {
  if (process.platform === 'win32') return;
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw writeError(path, error);
  }
}

/** @throws {FileError} if the target is of another kind than `kinds`, or exists and `overwrite` is false */
function refuseTarget(path: string, kinds: readonly string[], overwrite: boolean): void {
  const kind = fileKind(path, { followLinks: false });
  if (kind === undefined) return;
  if (!kinds.includes(kind)) throw kindError(path, kindNames[kind]);
  if (!overwrite) throw existsError(path);
}

function kindError(path: string, found: string): FileError {
  return new FileError(path, `is ${found}, which is not overwritten. Remove it, or choose another name.`, {
    code: 'FILE_KIND',
  });
}

function existsError(path: string): FileError {
  return new FileError(path, 'exists already. Remove it, or choose another name.', { code: 'FILE_EXISTS' });
}

/** Removes an unfinished temporary file or folder. If that fails, the next writer removes it. */
function discard(temporary: string): void {
  try {
    rmSync(temporary, { recursive: true, force: true });
  } catch {
    // The original error is more informative than this one.
  }
}

function chunksOf(data: FileData): Iterable<Uint8Array> {
  return typeof data === 'string' || data instanceof Uint8Array ? [bytesOf(data)] : data;
}

function bytesOf(data: Uint8Array | string): Uint8Array {
  return typeof data === 'string' ? Buffer.from(data, 'utf8') : data;
}

/** For tests that kill a process while it writes: DM_TEST_SLOW_WRITE=<milliseconds> waits before each chunk. */
function waitForTest(): void {
  const ms = Number(process.env['DM_TEST_SLOW_WRITE'] ?? 0);
  if (ms > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
