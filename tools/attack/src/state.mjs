// The progress of a long run in a file, so that an interrupted run can continue.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * @template T
 * @typedef {{ value: T, save: () => void }} State
 */

/**
 * @template T
 * @param {string | undefined} path undefined: in memory only
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
