// Only @dm/files opens, reads, and writes files, since node:fs hangs on FIFOs and follows symbolic links.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '../bootstrap/commands.mjs';
import { everything, fileSystemNames } from './file-access.js';

/** Functions that do not open files, or that take an open file descriptor. */
const harmless = /^(?:constants|existsSync|(?:access|f?stat|lstat|statfs|realpath|mkdtemp|close|ftruncate)(?:Sync)?)$/;

const PSEUDO = '/proc and /sys, whose files cannot be replaced and have no size';

/** Source file → the other functions that it may use, and the reason. */
const allowed: Readonly<Record<string, { readonly names: readonly string[]; readonly why: string }>> = {
  'data/src/image-files/list-images.ts': {
    names: ['opendir'],
    why: 'streams the entries of a folder with millions of images; opens no file',
  },
  'jit/src/runtime/c-api/elf.ts': {
    names: ['openSync', 'readSync'],
    why: 'a shared library, tested to be a regular file; the loader opens it by the same path',
  },
  'jit/src/runtime/c-api/find-cuda.ts': { names: ['readdirSync'], why: 'the names in a folder; opens no file' },
  'jit/src/runtime/c-api/native-output.ts': {
    names: ['openSync', 'readSync', 'rmSync'],
    why: 'a new file in a new temporary folder, whose descriptor replaces standard error',
  },
  'jit/src/runtime/processors.ts': { names: ['readFileSync'], why: PSEUDO },
  'mpi/src/finalize.ts': {
    names: ['readSync', 'writeSync'],
    why: "the launcher's socket, whose descriptor the process inherits",
  },
  'mpi/src/library-settings.ts': { names: ['readdirSync'], why: PSEUDO },
  'trainer/src/checkpoint/checkpoint.ts': {
    names: ['mkdirSync'],
    why: 'a new folder, which fails if the name is taken',
  },
  'trainer/src/files/log-file.ts': { names: ['writeFileSync'], why: 'writes to a descriptor of openForAppend' },
  'trainer/src/machine/processors.ts': { names: ['readFileSync'], why: PSEUDO },
  'trainer/src/machine/peak-memory.ts': { names: ['readFileSync'], why: PSEUDO },
  'trainer/src/run/lock.ts': {
    names: ['copyFileSync', 'linkSync', 'readSync', 'rmSync'],
    why: 'the hard links of the lock; reads a descriptor of openRegularFile',
  },
  'trainer/src/run/process-start.ts': { names: ['readFileSync'], why: PSEUDO },
  'trainer/src/terminal/endings.ts': { names: ['readFileSync'], why: `${PSEUDO}; it imports only Node modules` },
};

const folder = join(root, 'packages');
const found = new Map(
  readdirSync(folder)
    .filter((name) => name !== 'files' && existsSync(join(folder, name, 'src')))
    .flatMap((name) =>
      readdirSync(join(folder, name, 'src'), { recursive: true, encoding: 'utf8' }).map(
        (path) => `${name}/src/${path.replaceAll('\\', '/')}`,
      ),
    )
    .filter((path) => /\.[cm]?[jt]s$/.test(path) && !/\.test\.ts$|\/testing(\/|\.ts$)|\.d\.ts$/.test(path))
    .map((path) => [path, fileSystemNames(readFileSync(join(folder, path), 'utf8'))] as const)
    .map(([path, names]) => [path, names.filter((name) => !harmless.test(name))] as const)
    .filter(([, names]) => names.length > 0),
);

it('packages read and write files through @dm/files', () => {
  const raw = [...found].flatMap(([path, names]) =>
    names.filter((name) => allowed[path]?.names.includes(name) !== true).map((name) => `${path}: ${name}`),
  );
  expect(raw).toEqual([]);
});

it('every exception is needed', () => {
  const unneeded = Object.entries(allowed).flatMap(([path, { names }]) =>
    names.filter((name) => found.get(path)?.includes(name) !== true).map((name) => `${path}: ${name}`),
  );
  expect(unneeded).toEqual([]);
});

describe('what a module takes from node:fs', () => {
  it.each([
    ["import { readFileSync, type Stats } from 'node:fs';", ['readFileSync']],
    ["import { open as openFile } from 'fs/promises';", ['open']],
    ["import type { FileHandle } from 'node:fs/promises';", []],
    ["import fs from 'fs';", [everything]],
    ["import * as fs from 'node:fs';", [everything]],
    ["export * from 'node:fs';", [everything]],
    ["const { readFileSync } = await import('node:fs');", ['readFileSync']],
    ["const [{ cpus }, { statSync: s }] = await Promise.all([import('node:os'), import('node:fs')]);", ['statSync']],
    ["(await import('node:fs')).readFileSync('x');", [everything]],
    ["const { openSync } = require('fs');", ['openSync']],
    ["const fs = process.getBuiltinModule('node:fs');", [everything]],
    ["const name = 'node:fs';", [everything]],
    ['// read by node:fs', []],
  ])('%s', (code, names) => {
    expect(fileSystemNames(code)).toEqual(names);
  });
});
