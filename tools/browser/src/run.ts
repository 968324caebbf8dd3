/** A run of six steps that a page and Node train alike. */
import { createMemoryDataset, type Dataset } from '@dm/data';
import type { PartialConfig } from '@dm/trainer/core';

const [side, count, classes] = [8, 32, 4] as const;

/** Images by a formula, [32, 8, 8, 1], of 4 classes. */
export function formulaDataset(): Dataset {
  const images = Uint8Array.from({ length: count * side * side }, (_, i) => {
    const [n, y, x] = [Math.floor(i / (side * side)), Math.floor(i / side) % side, i % side];
    return Math.round(127.5 * (1 + Math.sin((n % classes) + 0.7 * x * ((n % 3) + 1) + 0.4 * y)));
  });
  const labels = Array.from({ length: count }, (_, n) => n % classes);
  return createMemoryDataset({ name: 'formula', images, shape: [side, side, 1], labels });
}

/** Checkpoints after three and six steps. */
export const sixSteps: PartialConfig = {
  model: { type: 'dit', patch_size: 2, hidden_size: 32, depth: 2, num_heads: 2 },
  optimizer: { lr: 1e-3 },
  batchSize: 4,
  totalSteps: 6,
  logEvery: 1,
  sampleEvery: 0,
  samples: 1,
  sampler: { type: 'ddim', steps: 1 },
  checkpoints: { every: 3, keepLast: 2 },
};
