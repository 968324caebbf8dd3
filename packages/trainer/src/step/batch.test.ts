import { rmSync } from 'node:fs';
import { classCondition } from '@dm/models';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { objectives } from '../config/objectives.js';
import type { PartialConfig } from '../config/schema.js';
import { drawTimesteps, fetchBatch, stepInputs } from './batch.js';
import { openTrainingSetup } from '../setup/open-training-setup.js';
import { resolveConfig } from '../config/resolve.js';
import { tinyConfig, tinyDit, tinyFolder, tinyUnet } from '../testing/tiny.js';

let folder: string;
beforeAll(async () => {
  folder = await tinyFolder();
});
afterAll(() => rmSync(folder, { recursive: true }));

// LabelEmbedding of diffusers and of facebookresearch/DiT drops a label by `torch.where(drop_ids, num_classes, labels)` and
// has a table of num_classes + 1 rows; UNet2DModel and U-ViT have no null class, so ours is one more class, the last.
const ditDiffusers = { patch_size: 4, num_layers: 1, num_attention_heads: 2, attention_head_dim: 8 };
it.each<[string, object, table: string]>([
  ['dit-diffusers', { ...ditDiffusers }, 'transformer_blocks.0.norm1.emb.class_embedder.embedding_table.weight'],
  ['dit', { ...tinyDit }, 'y_embedder.embedding_table.weight'],
  ['unet', { ...tinyUnet }, 'class_embedding.weight'],
])(
  '%s: a dropped label is the row after the classes, as where it is sampled without one',
  async (type, model, table) => {
    const value = {
      ...tinyConfig(folder, 1),
      model: { ...model, type: type as 'unet' },
      labelDropout: 0.5,
      batchSize: 16,
    };
    const setup = await openTrainingSetup(resolveConfig([{ source: 'test', value }]));
    expect(setup.model.specs[table]!.shape[0]).toBe(3);
    const { cond } = await fetchBatch(setup, 0);
    expect(cond!.shape).toEqual([16, 3]);
    const rows = Array.from({ length: 16 }, (_, i) => cond!.data.slice(3 * i, 3 * i + 3).join(' '));
    const kinds = new Set(rows);
    expect([...kinds].toSorted()).toEqual(['0 0 1', '0 1 0', '1 0 0']);
    const dropped = rows.filter((row) => row === '0 0 1').length;
    expect(dropped).toBeGreaterThan(3);
    expect(dropped).toBeLessThan(13);
    const { unconditional } = classCondition(setup, 1);
    expect([...unconditional['cond']!.data]).toEqual([0, 0, 1]);
  },
);

it.each([
  ['uniform', 'minSnr', null, false],
  ['clts', 'p2', true, false],
  ['cltsCorrected', 'minSnr', null, true],
] as const)(
  'normalizes loss weights to mean 1 over the timesteps that %s draws, with %s',
  async (curriculum, lossWeighting, normalizeLossWeights, isCorrected) => {
    const value = { ...tinyConfig(folder, 10), curriculum, lossWeighting, normalizeLossWeights };
    const setup = await openTrainingSetup(resolveConfig([{ source: 'test', value }]));
    for (const step of [0, 7]) {
      const { weightScale } = drawTimesteps(setup, step, undefined);
      const p = setup.curriculum.density(step);
      const mean = p.reduce((sum, mass, t) => {
        return sum + mass * setup.lossWeights[t]! * weightScale! * (isCorrected ? 1 / (20 * mass) : 1);
      }, 0);
      expect(mean).toBeCloseTo(1, 12);
    }
  },
);

it.each<[string, PartialConfig]>([
  ['configured off', { lossWeighting: 'minSnr', normalizeLossWeights: false }],
  ['constant', { normalizeLossWeights: true }],
  ['in continuous time', { ...objectives['edm'] }],
])('leaves loss weights as they are if %s', async (_, part) => {
  const setup = await openTrainingSetup(
    resolveConfig([{ source: 'test', value: { ...tinyConfig(folder, 10), diffusion: { timesteps: 20 }, ...part } }]),
  );
  const sample = drawTimesteps(setup, 3, undefined);
  expect(sample.weightScale).toBe(1);
  const batch = await fetchBatch(setup, 3);
  const { weights } = stepInputs(setup, batch, sample, 3);
  const { weightScale: _scale, ...unscaled } = sample;
  expect(weights).toEqual(stepInputs(setup, batch, unscaled, 3)['weights']);
});

it('the weights of a step contain the scale', async () => {
  const value = { ...tinyConfig(folder, 10), lossWeighting: 'minSnr', curriculum: 'uniform' } as const;
  const setup = await openTrainingSetup(resolveConfig([{ source: 'test', value }]));
  const sample = drawTimesteps(setup, 0, undefined);
  expect(sample.weightScale).toBeCloseTo(20 / setup.lossWeights.reduce((sum, w) => sum + w, 0), 12);
  const { weights } = stepInputs(setup, await fetchBatch(setup, 0), sample, 0);
  const expected = Array.from(sample.timesteps, (t) => setup.lossWeights[t]! * sample.weightScale!);
  expect(weights!.data).toBeAllClose(expected, { rtol: 1e-6 });
});

it('draws one timestep in each equal part of a uniform density if stratified, in another order at each step', async () => {
  const drawn = async (timestepDraws: 'independent' | 'stratified') => {
    const value = { ...tinyConfig(folder, 1), curriculum: 'uniform', timestepDraws, batchSize: 20 } as const;
    const setup = await openTrainingSetup(resolveConfig([{ source: 'test', value }]));
    return [0, 1].map((step) => [...drawTimesteps(setup, step, undefined).timesteps]);
  };
  const [first, second] = await drawn('stratified');
  for (const timesteps of [first!, second!]) {
    expect(timesteps.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, t) => t));
  }
  expect(first).not.toEqual(second);
  const [independent] = await drawn('independent');
  expect(new Set(independent).size).toBeLessThan(20);
});
