// Installs the dependencies and builds the packages, for `npm start` and `npm test`.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nx, pnpm, root } from './commands.mjs';

/** Written after a successful install; contains its fingerprint. */
const STAMP = join(root, 'node_modules', '.installed');

/**
 * A hash of everything that determines node_modules: the lockfile, the workspace settings, and the platform.
 *
 * @returns {string} SHA-256 in hexadecimal
 */
function fingerprint() {
  const hash = createHash('sha256');
  for (const file of ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json']) {
    hash.update(readFileSync(join(root, file)));
  }
  return hash.update(`${process.platform} ${process.arch}`).digest('hex');
}

/**
 * Installs the dependencies from the lockfile, unless they are up to date.
 *
 * @returns {Promise<boolean>} whether it succeeded
 */
export async function install() {
  const wanted = fingerprint();
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === wanted) return true;
  const { status } = await pnpm(['install', '--frozen-lockfile']);
  if (status === 0) writeFileSync(STAMP, wanted);
  return status === 0;
}

/**
 * Builds every package; Nx skips unchanged ones. Prints the output only if the build fails.
 *
 * @returns {Promise<boolean>}
 */
export async function build() {
  const { status, output } = await nx(['run-many', '-t', 'build', '--output-style=static'], { quiet: true });
  if (status !== 0) console.error(output);
  return status === 0;
}
