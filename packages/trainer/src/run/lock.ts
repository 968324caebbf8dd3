/**
 * The lock of a run folder, which one process at a time may hold: `run.lock`, a file that names its owner.
 *
 *   acquire    write a file with a unique name, then hard-link it as run.lock, so that it appears complete or not at all
 *   take over  if the owner is gone: link it as run.lock.<hash of the stale content>, the successor
 *   release    remove run.lock
 *
 * Of several processes that find the same stale lock only one can become its successor, since linking fails if the name
 * exists. A successor that dies before replacing run.lock is itself stale and can have a successor: to find the owner,
 * follow the successors to the last one. Successor files are removed only after run.lock has been replaced, so a successor
 * that still finds the same run.lock after linking has not missed a replacement.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createFile, FileError, listFolder, openRegularFile, renameOver } from '@dm/files';
import { closeSync, constants, copyFileSync, fstatSync, linkSync, readSync, rmSync, type Stats } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { writeError } from '../files/atomic-write.js';
import { codeOf, UserError } from '../errors.js';
import { processStart } from './process-start.js';

export interface Lock {
  /**
   * Removes the lock file. Idempotent; does nothing if another process owns the lock by now.
   *
   * @throws {Error} if the file cannot be removed; the lock becomes stale when this process ends
   */
  release(): void;
}

/** Locks of this process by path. Needed on systems without process start times, where an id alone proves nothing. */
const mine = new Map<string, string>();

/** A lock with incomplete content is still being written if it is younger than this, otherwise left by a crash. */
const writingMs = 10_000;

/** Larger than any lock file. */
const maxBytes = 4096;

/** Attempts while other processes acquire or release the lock at the same time. */
const maxAttempts = 100;

/**
 * Acquires `folder/run.lock`. A lock left behind by a process of this host that is gone, or with an impossible owner, is
 * taken over, and so is a lock of an earlier attempt of the same Slurm job. Other processes on other hosts cannot be checked,
 * so their locks remain until somebody removes the file.
 *
 * Two containers of one host name that share a folder do not respect each other's locks: from inside, the other one looks
 * like this one before a restart, whose locks must be taken over.
 *
 * @throws {UserError} `RUN_LOCKED` if another process holds it (the message names the owner), or if run.lock is not a lock
 *   file; `DISK_FULL` or `WRITE_FAILED` if it cannot be written
 */
export function acquireLock(folder: string): Lock {
  const path = join(resolve(folder), 'run.lock');
  const owner = {
    pid: process.pid,
    host: hostname(),
    started: processStart(process.pid),
    id: randomUUID(),
    ...batchJob(),
  };
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

/** Whether a process holds the lock of `folder`, or may hold it. */
export function isLocked(folder: string): boolean {
  const path = join(resolve(folder), 'run.lock');
  const found = read(path);
  return found !== undefined && isHeld(path, lastSuccessor(path, found));
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
      renameOver(own, path);
    } catch (error) {
      removeQuietly(successor);
      throw error;
    }
    return;
  }
  throw new UserError(
    `Could not acquire ${path}, because other processes are acquiring it at the same time. Try again.`,
    {
      code: 'RUN_LOCKED',
    },
  );
}

function release(path: string, text: string): void {
  if (mine.get(path) !== text) return;
  if (read(path)?.text === text) rmSync(path, { force: true });
  mine.delete(path);
  if (mine.size === 0) process.off('exit', releaseAll);
}

/** For a process that ends early, by `process.exit` or an exception. */
function releaseAll(): void {
  for (const [path, text] of mine) {
    try {
      release(path, text);
    } catch {
      // Stale from now on: the next process takes it over.
    }
  }
}

/** The content of a lock file. */
interface Found {
  readonly text: string;
  readonly stats: Stats;
  /** Undefined if the content does not describe an owner. */
  readonly owner: Owner | undefined;
}

interface Owner {
  readonly pid: number;
  readonly host: string;
  /** `processStart`; missing in locks of old versions and on some systems. */
  readonly started?: string;
  /** Unique; missing in locks of old versions. */
  readonly id?: string;
  /** The job of a batch system, and how often it was requeued before. */
  readonly job?: string;
  readonly attempt?: number;
}

/** The job of Slurm that this process belongs to, if any. */
function batchJob(env: NodeJS.ProcessEnv = process.env): Pick<Owner, 'job' | 'attempt'> {
  const id = env['SLURM_JOB_ID'];
  if (id === undefined || id === '') return {};
  return {
    job: `${env['SLURM_CLUSTER_NAME'] ?? ''}/${id}`,
    attempt: Number(env['SLURM_RESTART_COUNT'] ?? 0),
  };
}

/** Whether the owner belongs to an earlier attempt of this process's job: Slurm requeues a job only after it has ended. */
function isEarlierAttempt({ job, attempt = 0 }: Owner): boolean {
  const own = batchJob();
  return job !== undefined && job === own.job && attempt < own.attempt!;
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
  const { pid, host, started, id, job, attempt } = (value ?? {}) as Partial<Record<keyof Owner, unknown>>;
  if (typeof pid !== 'number' || typeof host !== 'string') return undefined;
  return {
    pid,
    host,
    ...(typeof started === 'string' && { started }),
    ...(typeof id === 'string' && { id }),
    ...(typeof job === 'string' && { job }),
    ...(typeof attempt === 'number' && { attempt }),
  };
}

/** An id that distinguishes a lock from all earlier ones at its path. */
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
  if (!isProcessId(pid) || isEarlierAttempt(owner)) return false;
  if (host !== hostname()) return true;
  if (!isAlive(pid)) return false;
  const actual = processStart(pid);
  if (started !== undefined && actual !== undefined) return started === actual;
  return pid !== process.pid || mine.has(path);
}

/** 0 and negative numbers mean process groups. */
function isProcessId(pid: number): boolean {
  return Number.isInteger(pid) && pid > 0 && pid <= 0x7fffffff;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it exists and belongs to another user.
    return codeOf(error) === 'EPERM';
  }
}

function inUse(folder: string, path: string, { owner }: Found): UserError {
  const who = owner === undefined ? 'another process, which is acquiring it' : `process ${owner.pid} on ${owner.host}`;
  return new UserError(
    `${folder} is in use by ${who}. Wait for it, or choose another folder with --out. ` +
      `If that process no longer exists, remove ${path}.`,
    { code: 'RUN_LOCKED' },
  );
}

/** Links `file` as `path`; returns false if `path` exists. */
function publish(file: string, path: string): boolean {
  try {
    try {
      linkSync(file, path);
    } catch (error) {
      if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(codeOf(error) ?? '')) throw error;
      // The file system has no hard links. An exclusive copy is as safe, but not atomic.
      copyFileSync(file, path, constants.COPYFILE_EXCL);
    }
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Removes files of processes that died while acquiring the lock, and of the successors that led to this owner. */
function removeLeftovers(folder: string, path: string): void {
  for (const { name } of listFolder(folder)) {
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
