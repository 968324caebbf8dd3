// Loss curves in emulated half precision, compared with float32. The learning rate is a quarter of the preset's, at which
// this UNet amplifies any difference: to several percent after 100 steps.
import { rmSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { PartialConfig } from '../config/schema.js';
import { readMetrics } from '../run/metrics.js';
import { runFolder } from '../run/run-folder.js';
import { tinyConfig, tinyDit, tinyFolder, tinyUnet } from '../testing/tiny.js';
import { train } from '../train.js';

let folder: string;
beforeAll(async () => {
  folder = await tinyFolder();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The mean losses of each 10 of 200 steps. */
async function curve(model: PartialConfig['model'], precision: NonNullable<PartialConfig['precision']>) {
  const out = `${folder}/run`;
  const config = {
    ...tinyConfig(folder, 200),
    model,
    precision,
    engine: 'onnx',
    batchSize: 16,
    logEvery: 10,
    optimizer: { lr: 1e-3 },
  } as const;
  await train({ ...config, checkpoints: { every: 0 }, out }, { overwrite: true });
  return readMetrics(runFolder(out).metrics).map(({ loss }) => loss);
}

const models: [string, PartialConfig['model']][] = [
  ['UNet', { type: 'unet', ...tinyUnet, block_out_channels: [16, 32] }],
  ['DiT', { type: 'dit', ...tinyDit, hidden_size: 32, depth: 2 }],
];

it.each(models)('200 steps of a %s are within 1% of float32', { timeout: 120_000 }, async (_, model) => {
  const exact = await curve(model, 'f32');
  expect(exact).toHaveLength(20);
  expect(exact.at(-1)!).toBeLessThan(0.5 * exact[0]!);
  for (const precision of ['f16-emulated', 'bf16-emulated'] as const) {
    const half = await curve(model, precision);
    const differences = half.map((loss, i) => Math.abs(loss / exact[i]! - 1));
    expect(Math.max(...differences), precision).toBeLessThan(0.01);
    expect(half).not.toEqual(exact);
  }
});
