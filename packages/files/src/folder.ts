/** Creating, listing, and removing folders. */
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  rmdirSync,
  rmSync,
  statfsSync,
  statSync,
  type Dirent,
} from 'node:fs';
import { dirname, isAbsolute, join, resolve, sep } from 'node:path';
import { errnoOf, FileError, readError, writeError } from './errors.js';
import { fileKind, kindNames } from './kind.js';

/** `f_type` of pseudo file systems: procfs, sysfs, cgroup, cgroup2, debugfs, tracefs, securityfs, devpts. */
const pseudoTypes = new Set([0x9fa0, 0x62656572, 0x27e0eb, 0x63677270, 0x64626720, 0x74726163, 0x73636673, 0x1cd1]);

/** Whether a resolved path is in a pseudo file system. /dev/shm holds ordinary files. */
function isPseudo(path: string): boolean {
  const [, top, second] = path.split(sep);
  if (process.platform !== 'win32' && (top === 'proc' || top === 'sys')) return true;
  if (process.platform !== 'win32' && top === 'dev' && second !== 'shm') return true;
  return process.platform === 'linux' && pseudoTypes.has(statfsSync(path).type);
}

/**
 * Checks that `path`, or its nearest existing ancestor, is a folder that can hold output.
 *
 * @throws {FileError} if it is in /proc, /sys or /dev, or a part of the path is not a folder
 */
export function requireRealFolder(path: string): void {
  existingAncestor(absolute(path), path);
}

/** `resolve`, with a FileError if the working folder was removed. */
function absolute(path: string): string {
  try {
    return resolve(path);
  } catch (error) {
    throw writeError(path, error);
  }
}

/** The folder `full`, or its nearest existing ancestor. */
function existingAncestor(full: string, path: string): string {
  let at = full;
  // Terminates: each iteration drops a component, and the root exists.
  while (fileKind(at) === undefined) {
    if (fileKind(at, { followLinks: false }) === 'link') {
      throw new FileError(path, `cannot be created: ${at} is a broken symbolic link.`, { code: 'FILE_KIND' });
    }
    const above = dirname(at);
    if (above === at)
      throw new FileError(path, 'cannot be created: its root does not exist.', { code: 'FILE_NOT_FOUND' });
    at = above;
  }
  const kind = fileKind(at)!;
  if (kind !== 'folder') {
    throw new FileError(path, `cannot be created: ${at} is ${kindNames[kind]}.`, { code: 'FILE_KIND' });
  }
  try {
    if (!isPseudo(realpathSync(at))) return at;
  } catch (error) {
    throw writeError(path, error);
  }
  throw new FileError(path, 'is in a system folder that cannot hold files. Choose another folder.', {
    code: 'WRITE_FAILED',
  });
}

/**
 * Creates a folder and its parents; does nothing if it exists. Unlike Node's recursive `mkdir` it always terminates,
 * also in /proc or in a working folder that was removed.
 *
 * @returns the folders that were created, outermost first
 * @throws {FileError} if a part of the path is not a folder, it is in /proc, /sys or /dev, or it cannot be written
 */
export function makeFolder(path: string): string[] {
  const full = absolute(path);
  const missing: string[] = [];
  const ancestor = existingAncestor(full, path);
  for (let at = full; at !== ancestor; at = dirname(at)) missing.push(at);
  const created: string[] = [];
  for (const folder of missing.toReversed()) {
    try {
      mkdirSync(folder);
      created.push(folder);
    } catch (error) {
      // Another process may have created it in the meantime.
      if (errnoOf(error) !== 'EEXIST' || !statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
        throw writeError(path, error);
      }
    }
  }
  return created;
}

/**
 * Removes a file, or a folder with its contents; does nothing if it does not exist. Links are removed, not followed.
 *
 * @throws {FileError} if it cannot be removed
 */
export function removeTree(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch (error) {
    throw writeError(path, error);
  }
}

/** Removes a folder that is empty. Returns whether it was removed. */
export function removeIfEmpty(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch {
    return false; // It is not empty, or no longer there.
  }
}

/**
 * The entries of a folder, sorted by name.
 *
 * @throws {FileError} if it does not exist, is not a folder, or may not be read
 */
export function listFolder(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true }).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    if (errnoOf(error) === 'ENOTDIR') {
      throw new FileError(path, 'is not a folder.', { code: 'FILE_KIND', cause: error });
    }
    throw readError(path, error);
  }
}

/**
 * The path of `relative` in the folder `root`. No component of `relative` may be a symbolic link; components that do
 * not exist are allowed. `root` itself may be a link, since the user chose it.
 *
 * @throws {FileError} if `relative` leads out of `root`, or a component is a symbolic link
 */
export function insideFolder(root: string, relative: string): string {
  const names = relative.split(/[/\\]/);
  if (isAbsolute(relative) || names.includes('..')) {
    throw new FileError(join(root, relative), `leads out of ${root}.`, { code: 'FILE_OUTSIDE' });
  }
  let at = root;
  for (const name of names) {
    at = join(at, name);
    refuseLink(at);
  }
  return at;
}

function refuseLink(path: string): void {
  try {
    if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return;
  } catch (error) {
    // A part of the path is a file, so nothing can exist here.
    if (errnoOf(error) === 'ENOTDIR') return;
    throw readError(path, error);
  }
  throw new FileError(path, 'is a symbolic link, which is not followed here. Replace it with a copy of its target.', {
    code: 'FILE_KIND',
  });
}
