import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../bootstrap/commands.mjs';

/**
 * The file behind a command of one of the workspace's development dependencies, to be run by Node itself.
 *
 * @param {string} dependency
 * @param {string} command
 * @returns {string}
 */
export function commandOf(dependency, command) {
  const folder = join(root, 'node_modules', dependency);
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return join(folder, typeof bin === 'string' ? bin : bin[command]);
}
