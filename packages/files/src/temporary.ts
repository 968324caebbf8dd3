/**
 * Temporary names: `.<name>.<host>-<process>-<random>.partial` next to the final one. A file or folder of such a name whose
 * process is gone was left by a kill or a power cut, and is removed by the next writer in that folder.
 */
import { createHash, randomBytes } from 'node:crypto';
import { lstatSync, opendirSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { errnoOf } from './errors.js';
import { removeTree } from './folder.js';

const host = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);

const pattern = /^\..+\.([0-9a-f]{8})-(\d+)-[0-9a-f]{16}\.partial$/s;

/** Of another host no process can be looked up: what has not changed for so long was left behind. */
const foreignMs = 24 * 60 * 60 * 1000;

/** Longest name in bytes on the usual file systems. */
const maxNameBytes = 255;

/** A new path next to `path`. */
export function temporaryPath(path: string): string {
  const suffix = `.${host}-${process.pid}-${randomBytes(8).toString('hex')}.partial`;
  const name = Buffer.from(basename(path)).subarray(0, maxNameBytes - suffix.length - 1);
  // A character that was cut in half becomes U+FFFD, three bytes instead of up to three.
  return join(dirname(resolve(path)), `.${name.toString('utf8').replace(/\uFFFD$/, '')}${suffix}`);
}

/** Whether the process that made this temporary file or folder is gone. */
function isLeftOver(path: string, name: string): boolean {
  const match = pattern.exec(name);
  if (match === null) return false;
  const found = lstatSync(path, { throwIfNoEntry: false });
  // Ours are files and folders: a link of that name was made by somebody else.
  if (found === undefined || !(found.isFile() || found.isDirectory())) return false;
  if (match[1] !== host) return Date.now() - found.mtimeMs > foreignMs;
  const pid = Number(match[2]);
  // Ids are used again, in containers always: of this very process is what was made since it began.
  if (pid === process.pid) return found.mtimeMs < Date.now() - process.uptime() * 1000;
  if (pid < 1 || !Number.isSafeInteger(pid)) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return errnoOf(error) === 'ESRCH';
  }
}

/**
 * Removes the temporary files and folders in `folder` that writers of this package left behind when they were killed.
 * What is in use, has another name, or is a link stays. A folder that does not exist has none; what cannot be removed is
 * passed over, since it harms nobody.
 *
 * @returns the paths that were removed
 */
export function removeLeftovers(folder: string): string[] {
  const full = resolve(folder);
  const removed: string[] = [];
  try {
    const entries = opendirSync(full);
    try {
      for (let entry = entries.readSync(); entry !== null; entry = entries.readSync()) {
        const path = join(full, entry.name);
        if (!isLeftOver(path, entry.name)) continue;
        removeTree(path);
        removed.push(path);
      }
    } finally {
      entries.closeSync();
    }
  } catch {
    // Not there, or not ours to clean: the write that follows reports what matters.
  }
  return removed;
}

/** Folders that this process has already looked through. */
const swept = new Set<string>();

/** `removeLeftovers` once per folder and process. */
export function sweepOnce(folder: string): void {
  const full = resolve(folder);
  if (swept.has(full)) return;
  swept.add(full);
  removeLeftovers(full);
}
