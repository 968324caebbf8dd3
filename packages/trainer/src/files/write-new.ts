/** Writes what must not lie over something else. */
import { atomicWriteFolder, createFile, fileKind, listFolder, makeFolder } from '@dm/files';
import { dirname, join, resolve } from 'node:path';
import { atomicWriteFile, writeError } from './atomic-write.js';
import { UserError } from '../errors.js';

/**
 * @throws {UserError} if `path` is there already, unless it is an empty folder: before the work, not after
 */
export function checkNotExisting(path: string): void {
  const kind = fileKind(path, { followLinks: false });
  if (kind === undefined || (kind === 'folder' && listFolder(path).length === 0)) return;
  throw new UserError(`${path} exists already. Remove it, or choose another with --out.`, { code: 'FILE_EXISTS' });
}

/**
 * A file, whole or not at all, with the folders above it.
 * @throws {UserError} if the disk refuses
 */
export function writeNewFile(path: string, bytes: Uint8Array | string): void {
  try {
    makeFolder(dirname(resolve(path)));
  } catch (error) {
    throw writeError(path, error);
  }
  atomicWriteFile(path, bytes, { overwrite: false });
}

/**
 * A folder of files by their paths in it, whole or not at all.
 * @throws {UserError} if the disk refuses
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
 * A folder that `fill` builds under a temporary name, whole or not at all.
 * @throws {UserError} if the disk refuses
 */
export async function buildNewFolder<T>(path: string, fill: (temporary: string) => T): Promise<T> {
  try {
    return await atomicWriteFolder(path, fill, { overwrite: false });
  } catch (error) {
    throw writeError(path, error);
  }
}
