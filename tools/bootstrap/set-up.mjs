// Dependencies and build: what both `npm start` and `npm test` need first.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nx, pnpm, root } from './commands.mjs';

/** Left by an install that ended well; holds the fingerprint of what it installed. */
const STAMP = join(root, 'node_modules', '.installed');

/**
 * What decides the content of node_modules: the lockfile, the workspace's settings, and the platform.
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
 * Installs the dependencies as the lockfile has them, unless that was done already.
 *
 * @returns {Promise<boolean>} whether the dependencies are there
 */
export async function install() {
  const wanted = fingerprint();
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === wanted) return true;
  const { status } = await pnpm(['install', '--frozen-lockfile']);
  if (status === 0) writeFileSync(STAMP, wanted);
  return status === 0;
}

/**
 * Builds every package; Nx skips those that did not change. Shows the output only when the build fails.
 *
 * @returns {Promise<boolean>}
 */
export async function build() {
  const { status, output } = await nx(['run-many', '-t', 'build', '--output-style=static'], { quiet: true });
  if (status !== 0) console.error(output);
  return status === 0;
}
