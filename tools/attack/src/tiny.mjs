// A dataset and a configuration so small that most of a run's time is startup.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeNpz } from '@dm/data';

/** Writes 23 grayscale images of 8x8 pixels in two classes. @param {string} folder */
export async function writeTinyData(folder) {
  const [images, side] = [23, 8];
  const path = join(folder, 'data.npz');
  await writeNpz(path, {
    images: {
      shape: [images, side, side, 1],
      data: Uint8Array.from({ length: images * side * side }, (_, i) => (i * i) % 251),
    },
    labels: { shape: [images], data: Int32Array.from({ length: images }, (_, i) => i % 2) },
  });
  return path;
}

/** A network of a few thousand parameters. */
export const tinyDit = { type: 'dit', patch_size: 4, hidden_size: 16, depth: 1, num_heads: 2 };

export const tinyUnet = {
  type: 'unet',
  block_out_channels: [8, 8],
  down_block_types: ['DownBlock2D', 'DownBlock2D'],
  up_block_types: ['UpBlock2D', 'UpBlock2D'],
  layers_per_block: 1,
  norm_num_groups: 4,
};

/**
 * A configuration for this dataset that logs every step.
 *
 * @param {string} data
 * @param {number} steps
 */
export function tinyConfig(data, steps) {
  return {
    data,
    model: tinyDit,
    diffusion: { timesteps: 20 },
    batchSize: 4,
    totalSteps: steps,
    engine: 'tfjs-cpu',
    logEvery: 1,
    sampleEvery: 0,
    samples: 1,
    sampler: { steps: 1 },
    checkpoints: { every: 0, keepLast: 2 },
  };
}

/** @param {string} path @param {unknown} value */
export function writeJson(path, value) {
  writeFileSync(path, JSON.stringify(value));
  return path;
}
