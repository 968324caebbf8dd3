import { rmSync } from 'node:fs';
import { classCondition } from '@dm/models';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { drawTimesteps, fetchBatch } from './batch.js';
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
