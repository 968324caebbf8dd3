/** Writes what must not lie over something else. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { atomicWriteFile, fsyncFolder, writeAndFsync, writeError } from './atomic-write.js';
import { UserError } from '../errors.js';

/** Throws a UserError where `path` is there already, unless it is an empty folder: before the work, not after. */
export function checkNotExisting(path: string): void {
  if (!existsSync(path)) return;
  if (statSync(path).isDirectory() && readdirSync(path).length === 0) return;
  throw new UserError(`${path} exists already. Remove it, or choose another with --out.`, { code: 'FILE_EXISTS' });
}

/** A file, whole or not at all. Throws a UserError where the disk refuses. */
export function writeNewFile(path: string, bytes: Uint8Array | string): void {
  refusing(path, () => mkdirSync(dirname(path), { recursive: true }));
  atomicWriteFile(path, bytes);
}

/** A folder of files by their paths in it, whole or not at all. Throws a UserError where the disk refuses. */
export function writeNewFolder(path: string, files: Readonly<Record<string, Uint8Array | string>>): void {
  const partial = `${path}.partial`;
  refusing(path, () => rmSync(partial, { recursive: true, force: true }));
  for (const [name, bytes] of Object.entries(files)) {
    refusing(path, () => mkdirSync(dirname(join(partial, name)), { recursive: true }));
    writeAndFsync(join(partial, name), bytes);
  }
  refusing(path, () => {
    renameSync(partial, path);
    fsyncFolder(dirname(path));
  });
}

function refusing(path: string, write: () => void): void {
  try {
    write();
  } catch (error) {
    throw writeError(path, error);
  }
}
