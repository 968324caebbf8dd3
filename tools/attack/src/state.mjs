// What a long run has done so far, in a file: a run that was cut off goes on there.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * @template T
 * @typedef {{ value: T, save: () => void }} State
 */

/**
 * @template T
 * @param {string | undefined} path none: kept in memory alone
 * @param {T} initial
 * @returns {State<T>}
 */
export function openState(path, initial) {
  if (path === undefined) return { value: initial, save: () => {} };
  mkdirSync(dirname(path), { recursive: true });
  const value = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : initial;
  const save = () => {
    writeFileSync(`${path}.new`, JSON.stringify(value, null, 1));
    renameSync(`${path}.new`, path);
  };
  return { value, save };
}
