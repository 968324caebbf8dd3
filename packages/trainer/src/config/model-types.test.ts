// Every architecture that a configuration may name is trained for two steps, and sampled.
import { rmSync } from 'node:fs';
import { expect, it, onTestFinished } from 'vitest';
import { modelTypes, type ModelTypeName } from './model-types.js';
import { generateSamples } from '../sampling/generate-samples.js';
import { tinyConfig, tinyFolder } from '../testing/tiny.js';
import { train } from '../train.js';
import { UserError } from '../errors.js';

const configs: Readonly<Record<Exclude<ModelTypeName, 'unet'>, Record<string, number>>> = {
  dit: { patch_size: 4, hidden_size: 16, depth: 1, num_heads: 2 },
  'dit-diffusers': { patch_size: 4, num_layers: 1, num_attention_heads: 2, attention_head_dim: 8 },
  uvit: { patch_size: 4, embed_dim: 16, depth: 2, num_heads: 2 },
};

async function tiny(): Promise<string> {
  const folder = await tinyFolder();
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

it.each(Object.entries(configs))('%s is trained and sampled, with its classes from the data', async (type, config) => {
  const folder = await tiny();
  const model = { type: type as ModelTypeName, ...config };
  const { out } = await train({ ...tinyConfig(folder, 2), model });
  const { images, shape } = await generateSamples({ run: out, count: 2, label: 1 });
  expect(shape).toEqual([2, 8, 8, 1]);
  expect(images.every(Number.isFinite)).toBe(true);
  await expect(generateSamples({ run: out, label: 2 })).rejects.toThrowWith({
    type: UserError,
    code: 'CLASS_UNKNOWN',
    contains: ['--label 2', '0 to 1'],
  });
});

it("diffusers' DiT is refused where there are no classes", async () => {
  const folder = await tiny();
  const model = { type: 'dit-diffusers', ...configs['dit-diffusers'] } as const;
  const run = train({ ...tinyConfig(folder, 2), model, conditional: false });
  await expect(run).rejects.toThrowWith({
    type: UserError,
    code: 'CONFIG_INVALID',
    contains: ['dit-diffusers', 'conditional true', 'use dit'],
  });
});

it('a new architecture has a case here', () => {
  expect(Object.keys(modelTypes).toSorted()).toEqual(['unet', ...Object.keys(configs)].toSorted());
});
