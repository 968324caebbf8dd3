import { fileKind, listFolder } from '@dm/files';
import { lstatSync, statfsSync } from 'node:fs';
import { join } from 'node:path';

/** Bytes available to this user on the disk of `folder`. */
export function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

/** Bytes of the files in `folder` and its subfolders; 0 if it does not exist. Links are not followed. */
export function folderBytes(folder: string): number {
  if (fileKind(folder, { followLinks: false }) !== 'folder') return 0;
  return listFolder(folder).reduce((sum, entry) => {
    const path = join(folder, entry.name);
    return sum + (entry.isDirectory() ? folderBytes(path) : lstatSync(path).size);
  }, 0);
}

/** Formats bytes as `12.3 MiB`. */
export function formatMebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
