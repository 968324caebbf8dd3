// Checks the tarball of the package in the current folder: what is in it (LICENSE, README, no tests), what its
// package.json promises (publint), and whether TypeScript finds the types under every module system (attw).
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { unpack } from '@publint/pack';
import { commandOf, run } from '../bootstrap/commands.mjs';

/** Tests, their data and leftovers of tools. */
const UNWANTED = /\.test\.[cm]?[jt]sx?$|\/testing(\.ts$|\/)|\/fixtures\/|\/node_modules\/|\.tsbuildinfo$/;

const folder = join(process.cwd(), 'tarball');
const [name, ...others] = readdirSync(folder).filter((file) => file.endsWith('.tgz'));
if (!name || others.length > 0) throw new Error(`${folder} should hold one tarball; run the pack target first`);
const tarball = join(folder, name);

const { files } = await unpack(readFileSync(tarball));
const contents = new Map(files.map((file) => [file.name, file.data]));
/** @type {string[]} */
const problems = [];
for (const wanted of ['package/LICENSE', 'package/README.md', 'package/package.json']) {
  if (!contents.has(wanted)) problems.push(`${wanted} is missing`);
}
for (const path of contents.keys()) {
  if (UNWANTED.test(path)) problems.push(`${path} should not be published`);
}
const packed = new TextDecoder().decode(contents.get('package/package.json'));
if (packed.includes('"workspace:')) problems.push('package.json still has a workspace: version');
// `./testing` is for tests of this workspace; `publishConfig.exports` leaves it out, and must leave out nothing else.
const { './testing': _, ...expected } = JSON.parse(readFileSync('package.json', 'utf8')).exports;
if (!isDeepStrictEqual(JSON.parse(packed).exports, expected)) {
  problems.push('package.json: the published exports are not those of the workspace without ./testing');
}
for (const problem of problems) console.error(`${name}: ${problem}`);

const lint = await run(process.execPath, [commandOf('publint', 'publint'), 'run', tarball, '--strict'], {
  quiet: true,
});
if (lint.status !== 0) console.error(lint.output);
const types = await run(
  process.execPath,
  [commandOf('@arethetypeswrong/cli', 'attw'), tarball, '--no-definitely-typed'],
  {
    quiet: true,
  },
);
if (types.status !== 0) console.error(types.output);
if (problems.length > 0 || lint.status !== 0 || types.status !== 0) process.exitCode = 1;
else console.log(`${name}: ${contents.size} files, publint and attw have nothing to say`);
