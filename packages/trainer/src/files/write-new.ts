/** Writing files and folders that must not exist yet. */
import { atomicWriteFolder, createFile, fileKind, listFolder, makeFolder } from '@dm/files';
import { dirname, join, resolve } from 'node:path';
import { atomicWriteFile, writeError } from './atomic-write.js';
import { UserError } from '../errors.js';

/**
 * Checks before the work that `path` does not exist.
 *
 * @throws {UserError} `FILE_EXISTS` if `path` exists, unless it is an empty folder
 */
export function checkNotExisting(path: string): void {
  const kind = fileKind(path, { followLinks: false });
  if (kind === undefined || (kind === 'folder' && listFolder(path).length === 0)) return;
  throw new UserError(`${path} already exists. Remove it, or choose another path with --out.`, { code: 'FILE_EXISTS' });
}

/**
 * Creates a folder and its parents, unless it exists.
 *
 * @throws {UserError} if it cannot be created
 */
export function makeOutputFolder(path: string): void {
  try {
    makeFolder(path);
  } catch (error) {
    throw writeError(path, error);
  }
}

/**
 * Writes a file atomically, and creates its parent folders.
 *
 * @throws {UserError} if it cannot be written
 */
export function writeNewFile(path: string, bytes: Uint8Array | string): void {
  makeOutputFolder(dirname(resolve(path)));
  atomicWriteFile(path, bytes, { overwrite: false });
}

/**
 * Writes a folder atomically. `files` maps paths in the folder to contents.
 *
 * @throws {UserError} if it cannot be written
 */
export async function writeNewFolder(
  path: string,
  files: Readonly<Record<string, Uint8Array | string>>,
): Promise<void> {
  await buildNewFolder(path, (temporary) => {
    for (const [name, bytes] of Object.entries(files)) {
      makeFolder(dirname(join(temporary, name)));
      createFile(join(temporary, name), bytes);
    }
  });
}

/**
 * Creates a folder atomically; `fill` builds it under a temporary name.
 *
 * @throws {UserError} if it cannot be written
 */
export async function buildNewFolder<T>(path: string, fill: (temporary: string) => T): Promise<T> {
  try {
    return await atomicWriteFolder(path, fill, { overwrite: false });
  } catch (error) {
    throw writeError(path, error);
  }
}
