import { readFile } from 'node:fs/promises';
import * as tf from '@tensorflow/tfjs-core';
import ts from 'typescript';
import { expect, test } from 'vitest';
import * as ops from './index.js';

test("the README's example does what it says", async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
  const source = /```ts\n(.*?)```/s.exec(readme)![1]!;
  const { outputText } = ts.transpileModule(source, { compilerOptions: { target: ts.ScriptTarget.ESNext } });
  const body = outputText
    .replaceAll(/^import \* as (\w+) from '(.+)';$/gm, "const $1 = modules['$2'];")
    .replaceAll(/^import (\{.+\}) from '(.+)';$/gm, "const $1 = modules['$2'];");
  const losses: number[] = [];
  // oxlint-disable-next-line typescript/no-implied-eval -- the code is the README's own
  const run = new Function('modules', 'console', `return (async () => {${body}})()`) as (
    ...args: unknown[]
  ) => Promise<void>;
  await run({ '@tensorflow/tfjs-core': tf, '@dm/ops': ops }, { log: (loss: number) => losses.push(loss) });
  expect(losses).toHaveLength(30);
  expect(losses).toEqual(losses.toSorted((a, b) => b - a));
  expect(losses.at(-1)).toBeLessThan(0.9 * losses[0]!);
});
