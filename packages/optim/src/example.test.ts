import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import * as ops from '@dm/ops';
import ts from 'typescript';
import { expect, it } from 'vitest';
import * as optim from './index.js';

it("the README's example runs and converges", async () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const source = /```ts\n(.*?)```/s.exec(readme)![1]!;
  const { outputText } = ts.transpileModule(source, { compilerOptions: { target: ts.ScriptTarget.ESNext } });
  const body = outputText
    .replaceAll(/^import \* as (\w+) from '(.+)';$/gm, "const $1 = modules['$2'];")
    .replaceAll(/^import (\{.+\}) from '(.+)';$/gm, "const $1 = modules['$2'];")
    .replaceAll(/^import '.+';$/gm, '');
  const printed: unknown[] = [];
  // oxlint-disable-next-line typescript/no-implied-eval -- the code is the README's own
  const run = new Function('modules', 'console', `return (async () => {${body}})()`) as (
    ...args: unknown[]
  ) => Promise<void>;
  await tf.setBackend('cpu');
  await run(
    { '@tensorflow/tfjs-core': tf, '@dm/ops': ops, '@dm/optim': optim },
    { log: (...values: unknown[]) => printed.push(...values) },
  );
  const [params, average] = printed as [Float32Array, Float32Array];
  for (const x of [...params, ...average]) expect(Math.abs(x)).toBeLessThan(0.05);
});
