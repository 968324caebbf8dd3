import { readFileSync } from 'node:fs';
import ts from 'typescript';
import { expect, it } from 'vitest';
import * as mpi from './index.js';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');

it('the example in the README runs in one process', async () => {
  const source = /```ts\n(.*?)```/s.exec(readme)![1]!;
  const { outputText } = ts.transpileModule(source, { compilerOptions: { target: ts.ScriptTarget.ESNext } });
  const body = outputText.replace(/^import (\{.+\}) from '@dm\/mpi';$/m, 'const $1 = mpi;');
  // oxlint-disable-next-line typescript/no-implied-eval -- the code is the README's own
  const run = new Function('mpi', 'console', `return (async () => {${body}})()`) as (
    ...args: unknown[]
  ) => Promise<void>;
  const printed: unknown[] = [];
  await run(mpi, { log: (...values: unknown[]) => printed.push(...values) });
  expect(printed).toEqual([500500, true]);
});
