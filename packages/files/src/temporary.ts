/**
 * Temporary names: `.<name>.<host>-<process>-<random>.partial` next to the final name. If the process no longer exists,
 * the file or folder is left over from a kill or a power failure, and the next writer in that folder removes it.
 *
 * A folder that is being replaced has the ending `.replaced` until the new one has its name. If that never happened, the
 * next process that writes there gives it its name back, unless the name was too long to be part of the temporary one.
 */
import { createHash, randomBytes } from 'node:crypto';
import { lstatSync, opendirSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { errnoOf } from './errors.js';
import { removeTree } from './folder.js';
import { renameOver } from './rename.js';

/** Containers may share the name of the host, but not process ids. */
const host = createHash('sha256')
  .update(hostname() + pidNamespace())
  .digest('hex')
  .slice(0, 8);

/** On Linux, which processes can see each other's ids. */
function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}

const pattern = /^\.(.+)\.([0-9a-f]{8})-(\d+)-[0-9a-f]{16}\.(partial|replaced)$/s;

/** Processes of another host cannot be looked up: entries unchanged for this long count as left over. */
const foreignMs = 24 * 60 * 60 * 1000;

/** Maximum length of a name in bytes on common file systems. */
const maxNameBytes = 255;

/** A new path next to `path`. */
export function temporaryPath(path: string, ending: 'partial' | 'replaced' = 'partial'): string {
  const suffix = `.${host}-${process.pid}-${randomBytes(8).toString('hex')}.${ending}`;
  const name = Buffer.from(basename(path)).subarray(0, maxNameBytes - suffix.length - 1);
  // A truncated character becomes U+FFFD, which is dropped.
  return join(dirname(resolve(path)), `.${name.toString('utf8').replace(/\uFFFD$/, '')}${suffix}`);
}

/** Whether the name in a temporary name may lack its end: up to 3 bytes of a character are dropped with it. */
function mayBeShortened(name: string): boolean {
  return Buffer.byteLength(name) > maxNameBytes - 4;
}

/** Whether the process that created this temporary file or folder no longer exists; `match` is its name's. */
function isLeftOver(path: string, match: RegExpExecArray): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  // Writers create only files and folders: a link with such a name has another origin.
  if (found === undefined || !(found.isFile() || found.isDirectory())) return false;
  // A folder that is moved aside keeps its time of modification.
  const changedMs = match[4] === 'replaced' ? Math.max(found.mtimeMs, found.ctimeMs) : found.mtimeMs;
  if (match[2] !== host) return Date.now() - changedMs > foreignMs;
  const pid = Number(match[3]);
  // Process ids are reused, in containers always: only entries newer than this process are its own.
  if (pid === process.pid) return changedMs < Date.now() - process.uptime() * 1000;
  if (pid < 1 || !Number.isSafeInteger(pid)) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return errnoOf(error) === 'ESRCH';
  }
}

/**
 * Removes temporary files and folders in `folder` that killed writers of this package left behind, and restores folders
 * that a killed writer had moved aside but not replaced. Entries that are in use, have another name, or are links are
 * kept. Does nothing if the folder does not exist, and ignores entries that cannot be removed.
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
        const match = pattern.exec(entry.name);
        if (match === null || !isLeftOver(path, match)) continue;
        const [, name, , , ending] = match;
        const target = join(full, name!);
        if (ending === 'replaced' && lstatSync(target, { throwIfNoEntry: false }) === undefined) {
          if (!mayBeShortened(entry.name)) renameOver(path, target);
          continue;
        }
        removeTree(path);
        removed.push(path);
      }
    } finally {
      entries.closeSync();
    }
  } catch {
    // Missing or not accessible: the write that follows reports the error.
  }
  return removed;
}

/** Folders that this process has already cleaned. */
const swept = new Set<string>();

/** `removeLeftovers` once per folder and process. */
export function sweepOnce(folder: string): void {
  const full = resolve(folder);
  if (swept.has(full)) return;
  swept.add(full);
  removeLeftovers(full);
}
