// Every architecture that a configuration may name is trained for two steps, and sampled.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseSafetensors } from '@dm/models';
import { expect, it, onTestFinished } from 'vitest';
import { modelTypes, type ModelTypeName } from './model-types.js';
import { generateSamples } from '../sampling/generate-samples.js';
import { tinyConfig, tinyFolder, tinySongUnet } from '../testing/tiny.js';
import { openTrainingSetup } from '../setup/open-training-setup.js';
import { train } from '../train.js';
import { resolveConfig } from './resolve.js';
import { UserError } from '../errors.js';

const configs: Readonly<Record<Exclude<ModelTypeName, 'unet'>, Record<string, number | readonly number[]>>> = {
  dit: { patch_size: 4, hidden_size: 16, depth: 1, num_heads: 2 },
  'dit-diffusers': { patch_size: 4, num_layers: 1, num_attention_heads: 2, attention_head_dim: 8 },
  uvit: { patch_size: 4, embed_dim: 16, depth: 2, num_heads: 2 },
  'song-unet': tinySongUnet,
  'edm2-unet': { ...tinySongUnet, channels_per_head: 4 },
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

it('the weights of edm2-unet are normalized after each update, and have unit magnitude', async () => {
  const folder = await tiny();
  const model = { type: 'edm2-unet', ...configs['edm2-unet'] } as const;
  const { checkpoint } = await train({ ...tinyConfig(folder, 1), model, samples: 1 });
  const { tensors } = parseSafetensors(readFileSync(join(checkpoint, 'model.safetensors')));
  const { shape, data } = tensors['dec.8x8_block0.conv_res1.weight']!;
  const fanIn = data.length / shape[0]!;
  for (let row = 0; row < shape[0]!; row++) {
    const squares = Array.from(data.subarray(row * fanIn, (row + 1) * fanIn), (w) => w ** 2);
    expect(Math.sqrt(squares.reduce((sum, value) => sum + value, 0) / fanIn)).toBeCloseTo(1 / (1 + 1e-4), 4);
  }
  // Averages take the weights before, whose updates are not orthogonal to them.
  const ema = parseSafetensors(readFileSync(join(checkpoint, 'ema.safetensors'))).tensors;
  expect(ema['dec.8x8_block0.conv_res1.weight']!.data).not.toEqual(data);
});

it('edm2-unet cannot be trained with scheduleFreeAdamW, whose state is relative to weights before normalization', async () => {
  const folder = await tiny();
  const model = { type: 'edm2-unet', ...configs['edm2-unet'] } as const;
  const optimizer = { type: 'scheduleFreeAdamW' } as const;
  const run = train({ ...tinyConfig(folder, 1), model, optimizer, ema: { type: 'scheduleFree' } });
  await expect(run).rejects.toThrowWith({
    type: UserError,
    code: 'CONFIG_INVALID',
    contains: ['edm2-unet', 'scheduleFreeAdamW'],
  });
});

it('song-unet has a null class, the label zero, with labelDropout', async () => {
  const folder = await tiny();
  const model = { type: 'song-unet', ...configs['song-unet'] } as const;
  const config = { ...tinyConfig(folder, 2), model, labelDropout: 0.5 };
  const setup = await openTrainingSetup(resolveConfig([{ source: 'the test', value: config }]));
  expect(setup).toMatchObject({ classes: 2, nullClass: 2, labelDropout: 0.5 });
  expect(setup.config.model).toMatchObject({ label_dim: 2, label_dropout: 0.5 });
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
