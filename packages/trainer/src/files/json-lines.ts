/** Files of one JSON value a line, that are appended to while a run goes on. */
import { readTextFile, fileKind } from '@dm/files';
import { UserError } from '../errors.js';

/** Longest text that V8 holds is 2^29 - 24 characters. */
const maxBytes = 2 ** 29 - 24;

/**
 * All values; none where there is no file. A last line without its newline is what a kill leaves and is dropped; anything
 * else that is not JSON throws a UserError with its line number.
 */
export function readJsonLines(path: string): unknown[] {
  if (fileKind(path, { followLinks: false }) === undefined) return [];
  const lines = readTextFile(path, { followLinks: false, maxBytes }).split('\n');
  lines.pop(); // what follows the last newline: nothing, or half a line
  return lines.map((line, i) => {
    try {
      return JSON.parse(line) as unknown;
    } catch {
      throw new UserError(`${path}, line ${i + 1} is not JSON. Remove that line to go on.`, { code: 'FILE_INVALID' });
    }
  });
}
