import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
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

/** A pipeline folder of a small untrained model with ten classes. */
async function exportedFolder(): Promise<string> {
  const { ditTransformer2d, initialize, pipelineFiles, toTorch } = models;
  const model = ditTransformer2d({
    sample_size: 8,
    in_channels: 1,
    patch_size: 4,
    num_layers: 1,
    num_attention_heads: 2,
    attention_head_dim: 8,
    num_embeds_ada_norm: 10,
  });
  const { files: written } = pipelineFiles({
    model,
    weights: toTorch(model, initialize(model, 0)),
    diffusion: { schedule: { type: 'cosine' }, timesteps: 1000, prediction: { type: 'v' }, variance: null },
    sampler: {
      type: 'ddim',
      steps: 50,
      path: { type: 'discrete' },
      clipping: null,
      guidance: 1,
      guidanceInterval: null,
    },
  });
  const folder = await files.mkdtemp('digits-');
  for (const [path, content] of Object.entries(written)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  return folder;
}

it("the README's examples print what it says", async () => {
  expect(examples).toHaveLength(3);
  expect(await printedBy(examples[0]!)).toEqual([64193, [2, 8, 8, 1]]);
  const folder = await exportedFolder();
  expect(await printedBy(examples[1]!.replace("'digits'", JSON.stringify(folder)))).toEqual([[4, 8, 8, 1]]);
  expect(await printedBy(examples[2]!)).toEqual(['UNet2DModel', Object.keys(mnist.specs).length]);
});
