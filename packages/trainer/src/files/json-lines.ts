/** Files of one JSON value a line, that are appended to while a run goes on. */
import { existsSync, readFileSync } from 'node:fs';
import { UserError } from '../errors.js';

/**
 * All values; none where there is no file. A last line without its newline is what a kill leaves and is dropped; anything
 * else that is not JSON throws a UserError with its line number.
 */
export function readJsonLines(path: string): unknown[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n');
  lines.pop(); // what follows the last newline: nothing, or half a line
  return lines.map((line, i) => {
    try {
      return JSON.parse(line) as unknown;
    } catch {
      throw new UserError(`${path}, line ${i + 1} is not JSON. Remove that line to go on.`, { code: 'FILE_INVALID' });
    }
  });
}
