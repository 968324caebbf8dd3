import { readFileSync } from 'node:fs';
import * as ops from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import ts from 'typescript';
import { expect, it } from 'vitest';
import * as core from './index.js';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');

it("the README's example runs", async () => {
  const source = /```ts\n(.*?)```/s.exec(readme)![1]!;
  const { outputText } = ts.transpileModule(source, { compilerOptions: { target: ts.ScriptTarget.ESNext } });
  const body = outputText
    .replace("import * as tf from '@tensorflow/tfjs-core';", '')
    .replace("import * as dm from '@dm/core';", '')
    .replace(/^import (\{.+\}) from '@dm\/ops';$/m, 'const $1 = ops;');
  // oxlint-disable-next-line typescript/no-implied-eval -- the code is the README's own
  const run = new Function(
    'tf',
    'dm',
    'ops',
    'console',
    `return (async () => { ${body}; return { alpha, sigma, target, noise, images }; })()`,
  ) as (...modules: unknown[]) => Promise<Record<'alpha' | 'noise' | 'images', ops.Float32NdArray>>;
  const printed: unknown[] = [];
  const { alpha, noise, images } = await run(tf, core, ops, { log: (value: unknown) => printed.push(value) });
  expect(printed).toEqual([[4, 8, 8, 1]]);
  expect(alpha.shape).toEqual([3]);
  expect(noise.shape).toEqual([3, 8, 8, 1]);
  expect(images.data.every((value) => Math.abs(value) <= 1)).toBe(true);
});

it('the README names every schedule, sampler and prediction', () => {
  for (const name of [...Object.keys(core.noiseSchedules), ...Object.keys(core.samplers), ...core.predictions]) {
    expect(readme).toContain(`\`${name}\``);
  }
});

it('the README names every function', () => {
  const functions = Object.entries(core).filter(([, value]) => typeof value === 'function');
  for (const [name] of functions) expect(readme).toContain(`\`${name}`);
});
