// No list whose length depends on a file or a user is spread into a call: more than about 120,000 arguments overflow
// the stack.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from '../bootstrap/commands.mjs';

/** File that spreads a list into a call → what limits the list's length. */
const allowed: Readonly<Record<string, string>> = {
  'eval/src/metrics/kid.ts': 'two sets',
  'eval/src/landscape/hessian-vector-product.ts': 'a few steps',
  'jit/src/update/shared-memory.ts': 'tensors of a model',
  'jit/src/inspect/dump.ts': 'outputs of a program',
  'models/src/unet/config.ts': 'levels of a U-Net',
  'models/src/unet/unet2d.ts': 'layers of a U-Net',
  'models/src/summary.ts': 'layers of a model',
  'trainer/src/terminal/render.ts': 'columns of a terminal',
  'trainer/src/eval/consistency/same-noise.ts': 'sets on a command line',
  'trainer/src/eval/consistency/table.ts': 'sets on a command line',
  'trainer/src/eval/consistency/denoisers.ts': 'runs on a command line',
  'trainer/src/eval/sets/table.ts': 'sets on a command line',
  'trainer/src/commands/bench.ts': 'lines about a program',
  'trainer/src/interchange/density-lines.ts': 'rows and columns of a small table',
  'trainer/src/bench/matmul-rate.ts': 'a few sessions',
};

const spread =
  /\.(?:push|unshift)\(\.\.\.|\bMath\.(?:max|min|hypot)\(\.\.\.|\bfrom(?:CharCode|CodePoint)\(\.\.\.|\.splice\([^)]*\.\.\./;

const folder = join(root, 'packages');
const found = readdirSync(folder)
  .filter((name) => existsSync(join(folder, name, 'src')))
  .flatMap((name) => {
    const source = join(folder, name, 'src');
    return readdirSync(source, { recursive: true, encoding: 'utf8' }).map((path) => `${name}/src/${path}`);
  })
  .filter((path) => path.endsWith('.ts') && !/\.test\.ts$|\/testing(\/|\.ts$)/.test(path))
  .filter((path) => spread.test(readFileSync(join(folder, path), 'utf8')));

it('no other file spreads a list into a call', () => {
  expect(found.filter((path) => !Object.hasOwn(allowed, path))).toEqual([]);
});

it('every listed file spreads a list into a call', () => {
  expect(Object.keys(allowed).filter((path) => !found.includes(path))).toEqual([]);
});
