import { readFileSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import * as ops from '@dm/ops';
import ts from 'typescript';
import { expect, it } from 'vitest';
import * as models from './index.js';

/** Files of an example go to a temporary folder. */
const files = { mkdtemp: (prefix: string) => mkdtemp(join(tmpdir(), prefix)), writeFile };
const mnist = models.unet2d(models.unetPresets.mnist);
const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const examples = [...readme.matchAll(/```ts\n(.*?)```/gs)].map(([, source]) => source!);

/** What an example of the README prints. */
async function printedBy(source: string): Promise<unknown[]> {
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
    { '@tensorflow/tfjs-core': tf, '@dm/ops': ops, '@dm/models': models, 'node:fs/promises': files },
    { log: (...values: unknown[]) => printed.push(...values) },
  );
  return printed;
}

it("the README's examples print what it says", async () => {
  expect(examples).toHaveLength(2);
  expect(await printedBy(examples[0]!)).toEqual([64193, [2, 8, 8, 1]]);
  expect(await printedBy(examples[1]!)).toEqual(['UNet2DModel', Object.keys(mnist.specs).length]);
});
