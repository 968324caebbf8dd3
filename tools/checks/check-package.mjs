// Checks the tarball of the package in the current folder: its files (LICENSE, README, no tests), its package.json
// (publint), its size, and whether TypeScript finds its types under every module system (attw). A package without code
// (one of the ONNX Runtime packages) must contain the library, its notices, and nothing else.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { unpack } from '@publint/pack';
import { commandOf, run } from '../bootstrap/commands.mjs';

/** Limits of the tarballs of packages with code, in kB; a quarter more than they had when the limits were set. */
const MAX_KILOBYTES = /** @type {Readonly<Record<string, number>>} */ ({
  core: 300,
  curriculum: 170,
  data: 410,
  eval: 1750,
  files: 90,
  jit: 880,
  models: 490,
  mpi: 95,
  ops: 760,
  optim: 110,
  trainer: 2470,
});
/** Tests, test data, and build leftovers. */
const UNWANTED = /\.test\.[cm]?[jt]sx?$|\/testing(\.ts$|\/)|\/fixtures\/|\/node_modules\/|\.tsbuildinfo$/;

const folder = join(process.cwd(), 'tarball');
const [name, ...others] = readdirSync(folder).filter((file) => file.endsWith('.tgz'));
if (!name || others.length > 0) throw new Error(`${folder} should hold one tarball; run the pack target first`);
const tarball = join(folder, name);

const packedBytes = readFileSync(tarball);
const { files } = await unpack(packedBytes);
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
// `./testing` is for this workspace's tests; `publishConfig.exports` omits it, and must not omit anything else.
const { './testing': _, ...expected } = JSON.parse(readFileSync('package.json', 'utf8')).exports;
if (!isDeepStrictEqual(JSON.parse(packed).exports, expected)) {
  problems.push('package.json: publishConfig.exports must equal exports without ./testing');
}
// A package without code contains a native library for one operating system, exported as `./library`.
const { name: packageName, os, scripts = {}, exports: exported } = JSON.parse(packed);
const hasCode = '.' in exported;
if (hasCode) {
  const limit = MAX_KILOBYTES[packageName.replace('@dm/', '')];
  const kilobytes = Math.ceil(packedBytes.byteLength / 1000);
  if (limit === undefined) problems.push('has no size limit in check-package.mjs');
  else if (kilobytes > limit) problems.push(`${kilobytes} kB, must be at most ${limit} kB`);
  if (existsSync('THIRD_PARTY_NOTICES') && !contents.has('package/THIRD_PARTY_NOTICES'))
    problems.push('package/THIRD_PARTY_NOTICES is missing');
} else {
  const library = exported['./library'].replace(/^\./, 'package');
  const wanted = new Set([
    library,
    ...['LICENSE', 'THIRD_PARTY_NOTICES', 'README.md', 'package.json'].map((n) => `package/${n}`),
  ]);
  if (!isDeepStrictEqual(new Set(contents.keys()), wanted))
    problems.push(`contains ${[...contents.keys()].join(', ')}; expected ${[...wanted].join(', ')}`);
  const megabytes = files.reduce((sum, { data }) => sum + data.byteLength, 0) / 1e6;
  const limit = os[0] === 'win32' ? 75 : 60;
  if (megabytes >= limit) problems.push(`unpacked size is ${megabytes.toFixed(1)} MB, must be below ${limit} MB`);
  if (Object.keys(scripts).length > 0) problems.push('package.json has scripts');
  console.log(`${name}: ${megabytes.toFixed(1)} MB unpacked`);
}
for (const problem of problems) console.error(`${name}: ${problem}`);

const lint = await run(process.execPath, [commandOf('publint', 'publint'), 'run', tarball, '--strict'], {
  quiet: true,
});
if (lint.status !== 0) console.error(lint.output);
const types = hasCode
  ? await run(process.execPath, [commandOf('@arethetypeswrong/cli', 'attw'), tarball, '--no-definitely-typed'], {
      quiet: true,
    })
  : { status: 0, output: '' };
if (types.status !== 0) console.error(types.output);
if (problems.length > 0 || lint.status !== 0 || types.status !== 0) process.exitCode = 1;
else console.log(`${name}: ${contents.size} files, publint${hasCode ? ' and attw found' : ' found'} no problems`);
