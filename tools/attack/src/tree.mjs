// The contents of a folder.
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { createHash } from 'node:crypto';

/**
 * All entries below a folder: relative path → type, link target, or SHA-256. Symbolic links are not followed. Empty if
 * the folder does not exist.
 *
 * @param {string} folder
 * @returns {Map<string, string>}
 */
export function tree(folder) {
  /** @type {Map<string, string>} */
  const found = new Map();
  const visit = (/** @type {string} */ relative) => {
    const path = join(folder, relative);
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return;
    if (stat.isDirectory()) {
      if (relative !== '') found.set(relative, 'folder');
      for (const name of readdirSync(path)) visit(join(relative, name));
    } else if (stat.isSymbolicLink()) found.set(relative, `link to ${readlinkSync(path)}`);
    else if (stat.isFile()) found.set(relative, createHash('sha256').update(readFileSync(path)).digest('hex'));
    else found.set(relative, 'special');
  };
  visit('');
  return found;
}

/**
 * The paths that were added, changed, or removed between two trees.
 *
 * @param {Map<string, string>} before
 * @param {Map<string, string>} after
 */
export function treeChanges(before, after) {
  return [...new Set([...before.keys(), ...after.keys()])].filter((path) => before.get(path) !== after.get(path));
}
