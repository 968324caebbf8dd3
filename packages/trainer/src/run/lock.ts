/** One run folder, one process: a lock file that holds the owner's process id and host. */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { writeError } from '../files/atomic-write.js';
import { UserError } from '../errors.js';

export interface Lock {
  /** Removes the lock file; does nothing the second time. */
  release(): void;
}

/** Locks of this very process: its own id in a file proves nothing, since ids are used again (always so in containers). */
const mine = new Set<string>();

/** A lock file that cannot be read is being written if it is younger than this, else left by a crash. */
const writingMs = 10_000;

/**
 * Takes `folder/run.lock`. A lock left behind by a process of this host that no longer exists is taken over. Throws a
 * UserError naming the owner while another process holds it; of a process on another host nothing can be known, so its
 * lock stands until somebody removes the file.
 */
export function acquireLock(folder: string): Lock {
  const path = join(resolve(folder), 'run.lock');
  const text = JSON.stringify({ pid: process.pid, host: hostname() });
  for (let attempt = 0; attempt < 3; attempt++) {
    if (create(path, text)) {
      mine.add(path);
      return {
        release: () => {
          if (mine.delete(path)) rmSync(path, { force: true });
        },
      };
    }
    const found = read(path);
    if (found === undefined) continue; // released in between
    if (isHeld(path, found)) throw inUse(folder, path, found);
    discard(folder, path, found);
  }
  throw new UserError(`${path} could not be taken: other processes take it at the same moment. Try again.`, {
    code: 'RUN_LOCKED',
  });
}

/** Creates the file only where none is: the one test-and-set that every file system has. */
function create(path: string, text: string): boolean {
  let fd: number;
  try {
    fd = openSync(path, 'wx');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw writeError(path, error);
  }
  writeSync(fd, text);
  fsyncSync(fd);
  closeSync(fd);
  return true;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Moves a stale lock away. Should somebody have taken it over a moment ago, theirs was moved: it is put back. */
function discard(folder: string, path: string, stale: string): void {
  const aside = `${path}.stale-${process.pid}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  const moved = readFileSync(aside, 'utf8');
  if (moved !== stale) {
    renameSync(aside, path);
    throw inUse(folder, path, moved);
  }
  rmSync(aside, { force: true });
}

interface Owner {
  readonly pid: number;
  readonly host: string;
}

function ownerOf(text: string): Owner | undefined {
  try {
    const owner = JSON.parse(text) as Partial<Owner>;
    return typeof owner.pid === 'number' && typeof owner.host === 'string' ? (owner as Owner) : undefined;
  } catch {
    return undefined;
  }
}

function isHeld(path: string, text: string): boolean {
  const owner = ownerOf(text);
  if (owner === undefined) {
    const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0);
    return age < writingMs;
  }
  if (owner.host !== hostname()) return true;
  if (owner.pid === process.pid) return mine.has(path);
  try {
    process.kill(owner.pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives and belongs to somebody else.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function inUse(folder: string, path: string, text: string): UserError {
  const owner = ownerOf(text);
  const who = owner === undefined ? 'another process' : `process ${owner.pid} on ${owner.host}`;
  return new UserError(
    `${folder} is in use by ${who}. Wait for it, or choose another folder with --out. ` +
      `If that process is gone for good, remove ${path}.`,
    { code: 'RUN_LOCKED' },
  );
}
