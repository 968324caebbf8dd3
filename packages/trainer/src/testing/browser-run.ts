/** A run in a browser small enough for tests, in Node: images of 8x8 by a formula, and a DiT with a few thousand parameters. */
import { createMemoryDataset, type Dataset } from '@dm/data';
import { createMemoryStore, type RunStore } from '../browser/run-store.js';
import type { PartialConfig } from '../config/schema.js';
import { tinyDit } from './tiny.js';

/** 23 images of bars, of two classes. */
export function barsDataset(): Dataset {
  const [count, side] = [23, 8];
  const images = Uint8Array.from({ length: count * side * side }, (_, i) => {
    const n = Math.floor(i / (side * side));
    const [y, x] = [Math.floor(i / side) % side, i % side];
    return (n % 2 === 0 ? x : y) === n % side ? 255 : 0;
  });
  const labels = Array.from({ length: count }, (_, n) => n % 2);
  return createMemoryDataset({ name: 'bars', images, shape: [side, side, 1], labels });
}

/** Six steps, with checkpoints after three and six. */
export const sixSteps = {
  model: { type: 'dit', ...tinyDit },
  diffusion: { timesteps: 20 },
  batchSize: 2,
  totalSteps: 6,
  logEvery: 2,
  sampleEvery: 0,
  samples: 2,
  sampler: { type: 'ddim', steps: 1 },
  checkpoints: { every: 3, keepLast: 3 },
} satisfies PartialConfig;

/** A copy of what a store has: what a page finds that was closed at that moment. */
export async function copyOf(store: RunStore): Promise<RunStore> {
  const copy = createMemoryStore(store.name);
  for (const { path } of await store.list()) await copy.write(path, (await store.read(path))!);
  return copy;
}

/** All files of a store except what depends on clocks and machines. */
export async function checkpointFiles(store: RunStore): Promise<Record<string, Uint8Array>> {
  const files: Record<string, Uint8Array> = {};
  for (const { path } of await store.list()) {
    if (path.startsWith('checkpoints/')) files[path] = (await store.read(path))!;
  }
  return files;
}
