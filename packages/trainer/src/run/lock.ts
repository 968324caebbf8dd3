/**
 * One run folder, one process: `run.lock`, a file that names its owner.
 *
 *   take       write a file of a unique name, then link it as run.lock: whole from the start, or not there at all
 *   take over  if the owner is gone: link it as run.lock.<hash of the stale content>, its successor
 *   release    remove run.lock
 *
 * Of all that find the same stale lock one alone can become its successor, since a link fails if the name exists. A
 * successor that dies before it has put its own file in the place of run.lock is stale in turn and has a successor: who
 * looks for the owner follows the successors to the last. Files of successors are removed only after run.lock was
 * replaced, so a successor that still finds the same run.lock after its link missed none.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createFile, FileError, openRegularFile } from '@dm/files';
import {
  closeSync,
  constants,
  copyFileSync,
  fstatSync,
  linkSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  type Stats,
} from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { writeError } from '../files/atomic-write.js';
import { codeOf, UserError } from '../errors.js';
import { processStart } from './process-start.js';

export interface Lock {
  /**
   * Removes the lock file; does nothing the second time, nor if somebody else's file is there by now.
   *
   * @throws {Error} if the file system refuses; the lock is stale then as soon as this process ends
   */
  release(): void;
}

/** Locks of this process by path, where the start of a process is not to be had: there its id alone proves nothing. */
const mine = new Map<string, string>();

/** A lock without a complete content is being written if it is younger than this, else left by a crash. */
const writingMs = 10_000;

/** More than any lock has. */
const maxBytes = 4096;

/** Others take or release the lock at the same moment only so often. */
const maxAttempts = 100;

/**
 * Takes `folder/run.lock`. A lock left behind by a process of this host that is gone, or that cannot be one, is taken
 * over; of a process on another host nothing can be known, so its lock stands until somebody removes the file.
 *
 * @throws {UserError} `RUN_LOCKED` while another process holds it, naming the owner, or if something else than a lock is in
 *   its place; `DISK_FULL` or `WRITE_FAILED` if it cannot be written
 */
export function acquireLock(folder: string): Lock {
  const path = join(resolve(folder), 'run.lock');
  const owner = { pid: process.pid, host: hostname(), started: processStart(process.pid), id: randomUUID() };
  const text = JSON.stringify(owner);
  const own = `${path}.${owner.id}`;
  try {
    createFile(own, text);
    takeAs(own, path, folder);
  } catch (error) {
    throw error instanceof UserError ? error : writeError(path, error);
  } finally {
    removeQuietly(own);
  }
  if (mine.size === 0) process.on('exit', releaseAll);
  mine.set(path, text);
  removeLeftovers(folder, path);
  return { release: () => release(path, text) };
}

function takeAs(own: string, path: string, folder: string): void {
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    if (publish(own, path)) return;
    const found = read(path);
    if (found === undefined) continue; // released in between
    const last = lastSuccessor(path, found);
    if (isHeld(path, last)) throw inUse(folder, path, last);
    const successor = successorPath(path, last);
    if (!publish(own, successor)) continue; // somebody else was faster
    const now = read(path);
    if (now === undefined || idOf(now) !== idOf(found)) {
      removeQuietly(successor);
      continue;
    }
    try {
      renameSync(own, path);
    } catch (error) {
      removeQuietly(successor);
      throw error;
    }
    return;
  }
  throw new UserError(`${path} could not be taken: other processes take it at the same moment. Try again.`, {
    code: 'RUN_LOCKED',
  });
}

function release(path: string, text: string): void {
  if (mine.get(path) !== text) return;
  if (read(path)?.text === text) rmSync(path, { force: true });
  mine.delete(path);
  if (mine.size === 0) process.off('exit', releaseAll);
}

/** For a process that ends without having come to its end: by `process.exit` or an exception. */
function releaseAll(): void {
  for (const [path, text] of mine) {
    try {
      release(path, text);
    } catch {
      // Stale from now on: the next process takes it over.
    }
  }
}

/** What is in the place of a lock. */
interface Found {
  readonly text: string;
  readonly stats: Stats;
  /** Undefined if the content is not an owner's. */
  readonly owner: Owner | undefined;
}

interface Owner {
  readonly pid: number;
  readonly host: string;
  /** `processStart`; locks of old versions and of some systems lack it. */
  readonly started?: string;
  /** Unique; locks of old versions lack it. */
  readonly id?: string;
}

function read(path: string): Found | undefined {
  let fd: number;
  try {
    ({ fd } = openRegularFile(path, { maxBytes, followLinks: false }));
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    if (error.code === 'FILE_NOT_FOUND') return undefined;
    throw new UserError(`${error.message} If no other process uses its folder, remove it.`, {
      code: 'RUN_LOCKED',
      cause: error,
    });
  }
  try {
    const bytes = Buffer.alloc(maxBytes);
    const length = readSync(fd, bytes);
    const text = bytes.toString('utf8', 0, length);
    return { text, stats: fstatSync(fd), owner: ownerOf(text) };
  } finally {
    closeSync(fd);
  }
}

function ownerOf(text: string): Owner | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { pid, host, started, id } = (value ?? {}) as Partial<Record<keyof Owner, unknown>>;
  if (typeof pid !== 'number' || typeof host !== 'string') return undefined;
  return { pid, host, ...(typeof started === 'string' && { started }), ...(typeof id === 'string' && { id }) };
}

/** Tells a lock from every other that was in its place before. */
function idOf({ text, stats, owner }: Found): string {
  return owner?.id === undefined ? `${text} ${stats.ino} ${stats.mtimeMs}` : text;
}

function successorPath(path: string, found: Found): string {
  return `${path}.${createHash('sha256').update(idOf(found)).digest('hex').slice(0, 32)}`;
}

function lastSuccessor(path: string, found: Found): Found {
  let last = found;
  for (;;) {
    const next = read(successorPath(path, last));
    if (next === undefined) return last;
    last = next;
  }
}

function isHeld(path: string, { owner, stats }: Found): boolean {
  if (owner === undefined) return Math.abs(Date.now() - stats.mtimeMs) < writingMs;
  const { pid, host, started } = owner;
  if (!isProcessId(pid)) return false;
  if (host !== hostname()) return true;
  if (!isAlive(pid)) return false;
  const actual = processStart(pid);
  if (started !== undefined && actual !== undefined) return started === actual;
  return pid !== process.pid || mine.has(path);
}

/** 0 and below mean groups of processes. */
function isProcessId(pid: number): boolean {
  return Number.isInteger(pid) && pid > 0 && pid <= 0x7fffffff;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives and belongs to somebody else.
    return codeOf(error) === 'EPERM';
  }
}

function inUse(folder: string, path: string, { owner }: Found): UserError {
  const who = owner === undefined ? 'another process, which is taking it' : `process ${owner.pid} on ${owner.host}`;
  return new UserError(
    `${folder} is in use by ${who}. Wait for it, or choose another folder with --out. ` +
      `If that process is gone for good, remove ${path}.`,
    { code: 'RUN_LOCKED' },
  );
}

/** Whether `file` could be given the name `path` too: false if there is something of that name. */
function publish(file: string, path: string): boolean {
  try {
    try {
      linkSync(file, path);
    } catch (error) {
      if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(codeOf(error) ?? '')) throw error;
      // A file system without hard links: as exclusive, but not whole from the start.
      copyFileSync(file, path, constants.COPYFILE_EXCL);
    }
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Files of processes that died while they took the lock, and of the successors that led to this owner. */
function removeLeftovers(folder: string, path: string): void {
  for (const name of readdirSync(folder)) {
    if (!name.startsWith('run.lock.')) continue;
    const leftover = join(folder, name);
    try {
      const found = read(leftover);
      if (found !== undefined && (found.text === mine.get(path) || !isHeld(leftover, found))) rmSync(leftover);
    } catch {
      // Not one of ours, or not to be removed: it does no harm.
    }
  }
}

function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // The error that led here, if one did, says more.
  }
}
