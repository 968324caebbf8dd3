/** Folders: made, listed, and removed. */
import { lstatSync, mkdirSync, readdirSync, realpathSync, rmSync, statfsSync, statSync, type Dirent } from 'node:fs';
import { dirname, isAbsolute, join, resolve, sep } from 'node:path';
import { errnoOf, FileError, readError, writeError } from './errors.js';
import { fileKind, kindNames } from './kind.js';

/** `f_type` of file systems that hold no files: procfs, sysfs, cgroup, cgroup2, debugfs, tracefs, securityfs, devpts. */
const pseudoTypes = new Set([0x9fa0, 0x62656572, 0x27e0eb, 0x63677270, 0x64626720, 0x74726163, 0x73636673, 0x1cd1]);

/** Whether a real path is in a folder of the kernel's. /dev/shm is ordinary memory. */
function isPseudo(path: string): boolean {
  const [, top, second] = path.split(sep);
  if (process.platform !== 'win32' && (top === 'proc' || top === 'sys')) return true;
  if (process.platform !== 'win32' && top === 'dev' && second !== 'shm') return true;
  return process.platform === 'linux' && pseudoTypes.has(statfsSync(path).type);
}

/**
 * Refuses what can hold no output: an existing folder, or the next folder above `path` that exists, in /proc, /sys or
 * /dev.
 *
 * @throws {FileError} if it is in one of these, or if something on the way is not a folder
 */
export function requireRealFolder(path: string): void {
  existingAncestor(absolute(path), path);
}

/** `resolve`, also if the working folder was removed. */
function absolute(path: string): string {
  try {
    return resolve(path);
  } catch (error) {
    throw writeError(path, error);
  }
}

/** The folder at `full`, or the nearest above it that exists. */
function existingAncestor(full: string, path: string): string {
  let at = full;
  // Each round drops a component, and the root exists.
  while (fileKind(at) === undefined) {
    if (fileKind(at, { followLinks: false }) === 'link') {
      throw new FileError(path, `cannot be made: ${at} is a symbolic link that leads nowhere.`, { code: 'FILE_KIND' });
    }
    const above = dirname(at);
    if (above === at) throw new FileError(path, 'cannot be made: its root does not exist.', { code: 'FILE_NOT_FOUND' });
    at = above;
  }
  const kind = fileKind(at)!;
  if (kind !== 'folder') {
    throw new FileError(path, `cannot be made: ${at} is ${kindNames[kind]}.`, { code: 'FILE_KIND' });
  }
  try {
    if (!isPseudo(realpathSync(at))) return at;
  } catch (error) {
    throw writeError(path, error);
  }
  throw new FileError(path, 'is in a folder of the operating system that holds no files. Choose another.', {
    code: 'WRITE_FAILED',
  });
}

/**
 * Makes a folder and those above it; does nothing if it exists. Unlike Node's recursive `mkdir` it always ends, also in
 * /proc or in a working folder that was removed.
 *
 * @throws {FileError} if something on the way is not a folder, it is in /proc, /sys or /dev, or the disk refuses
 */
export function makeFolder(path: string): void {
  const full = absolute(path);
  const missing: string[] = [];
  const ancestor = existingAncestor(full, path);
  for (let at = full; at !== ancestor; at = dirname(at)) missing.push(at);
  for (const folder of missing.toReversed()) {
    try {
      mkdirSync(folder);
    } catch (error) {
      // Another process may have made it a moment ago.
      if (errnoOf(error) !== 'EEXIST' || !statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
        throw writeError(path, error);
      }
    }
  }
}

/**
 * Removes a file or a folder with all in it; does nothing if there is none. Links are removed, never followed.
 *
 * @throws {FileError} if the disk refuses
 */
export function removeTree(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch (error) {
    throw writeError(path, error);
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
 * The path of `relative` in the folder `root`, of which no component may be a symbolic link. `root` itself may be one:
 * it is what the user named. What does not exist yet is no link.
 *
 * @throws {FileError} if `relative` leads out of `root` or over a symbolic link
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
    throw readError(path, error);
  }
  throw new FileError(path, 'is a symbolic link, which is not followed here. Put a copy of its target in its place.', {
    code: 'FILE_KIND',
  });
}
