// Fails if the tracked files are larger than 16 MiB, or than the MiB given as an argument: the archive of tools/device-check is sent
// to machines together with the repository, in at most 64 MiB.
import { execFileSync } from 'node:child_process';
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../bootstrap/commands.mjs';

const limit = Number(process.argv[2] ?? 16) * 2 ** 20;

const files = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 26 })
  .split('\0')
  .filter((path) => path !== '')
  .map((path) => ({ path, bytes: lstatSync(join(root, path), { throwIfNoEntry: false })?.size ?? 0 }));
const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
const mib = (/** @type {number} */ bytes) => `${(bytes / 2 ** 20).toFixed(2)} MiB`;
if (total > limit) {
  const largest = files.toSorted((a, b) => b.bytes - a.bytes).slice(0, 10);
  console.error(`The repository's files are ${mib(total)}, more than the limit of ${mib(limit)}. The largest:`);
  for (const { path, bytes } of largest) console.error(`  ${mib(bytes)}  ${path}`);
  process.exitCode = 1;
}
