/** What a folder has on disk, to be compared before and after. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { sha256 } from '../files/hash.js';

/** SHA-256 of every file in a folder and its subfolders, by its path in the folder. */
export function filesOf(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    files.map(({ parentPath, name }) => {
      const path = join(parentPath, name);
      return [relative(folder, path), sha256(readFileSync(path))];
    }),
  );
}
