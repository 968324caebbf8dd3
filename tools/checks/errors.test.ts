// Errors have the right class: `RangeError`, `TypeError` or a subclass of `DmError`, never a plain `Error`.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from '../bootstrap/commands.mjs';

const INVARIANT = 'a mistake in this program, which no input can cause';
const NO_CLASS = 'the eager engine has no class of its own yet';
const NOT_YET = 'not classified yet';

/** Files, or folders that end in a slash, in which a plain `Error` may be made, and why. */
const allowed: Readonly<Record<string, string>> = {
  'jit/src/graph/': 'the stack of a call, and ' + INVARIANT,
  'jit/src/update/': INVARIANT,
  'jit/src/onnx/builder.ts': INVARIANT,
  'jit/src/lower/': 'becomes a TraceError, with the place in the program, where it is caught',
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
  'trainer/src/errors.ts': 'makes an error of another thread again',
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

it('no package makes a plain Error where none is allowed', () => {
  expect(found.filter((path) => !Object.keys(allowed).some((entry) => covers(entry, path)))).toEqual([]);
});

it('every exception is needed', () => {
  expect(Object.keys(allowed).filter((entry) => !found.some((path) => covers(entry, path)))).toEqual([]);
});
