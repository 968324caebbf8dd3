// Packages throw `RangeError`, `TypeError`, or subclasses of `DmError`, but not plain `Error`.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from '../bootstrap/commands.mjs';

const INVARIANT = 'an internal error that no input can cause';
const NO_CLASS = 'the eager engine has no error class yet';
const CAUSE = 'becomes the cause of an EngineError';
const NOT_YET = 'not converted yet';

/** File, or folder with a trailing slash, that may use plain `Error` → the reason. */
const allowed: Readonly<Record<string, string>> = {
  'jit/src/graph/': 'records the stack of a call; ' + INVARIANT,
  'jit/src/update/': INVARIANT,
  'jit/src/onnx/builder.ts': INVARIANT,
  'jit/src/lower/': 'caught and converted to a TraceError with the source location',
  'jit/src/browser-engine.ts': CAUSE,
  'jit/src/runtime/web/device.ts': CAUSE,
  'jit/src/inspect/profile.ts': NOT_YET,
  'models/src/edm-precond.ts': NOT_YET,
  'models/src/scope.ts': NOT_YET,
  'models/src/initialize.ts': NOT_YET,
  'models/src/transformer/patches.ts': NOT_YET,
  'models/src/unet/unet2d.ts': NOT_YET,
  'models/src/torch-layout.ts': NOT_YET,
  'ops/src/custom-op.ts': NO_CLASS,
  'ops/src/eager-engine.ts': NO_CLASS,
  'ops/src/eager-backends.ts': NO_CLASS,
  'trainer/src/errors.ts': 'recreates an error of another thread',
  'trainer/src/files/': NOT_YET,
  'trainer/src/checkpoint/async-checkpointer.ts': NOT_YET,
  'trainer/src/step/batch.ts': INVARIANT,
  'trainer/src/interchange/onnx-denoiser.ts': NOT_YET,
  'trainer/src/commands/doctor.ts': NOT_YET,
};

const folder = join(root, 'packages');
const found = readdirSync(folder)
  .filter((name) => existsSync(join(folder, name, 'src')))
  .flatMap((name) =>
    readdirSync(join(folder, name, 'src'), { recursive: true, encoding: 'utf8' }).map((path) => `${name}/src/${path}`),
  )
  .filter((path) => path.endsWith('.ts') && !/\.test\.ts$|\/testing(\/|\.ts$)/.test(path))
  .filter((path) => /\bnew Error\(/.test(readFileSync(join(folder, path), 'utf8')));

const covers = (entry: string, path: string) => (entry.endsWith('/') ? path.startsWith(entry) : path === entry);

it('no other file uses plain Error', () => {
  expect(found.filter((path) => !Object.keys(allowed).some((entry) => covers(entry, path)))).toEqual([]);
});

it('every listed file uses plain Error', () => {
  expect(Object.keys(allowed).filter((entry) => !found.some((path) => covers(entry, path)))).toEqual([]);
});
