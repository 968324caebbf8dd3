/** A run small enough for the eager `tfjs-cpu` engine: 8x8 grayscale images of bars, a UNet with a few thousand parameters. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeNpz } from '@dm/data';
import type { PartialConfig } from '../config/schema.js';

const side = 8;
const images = 23;

/** A new folder with `data.npz`. Labels distinguish vertical from horizontal bars. */
export async function tinyFolder(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'dm-tiny-'));
  const data = new Uint8Array(images * side * side);
  const labels = Int32Array.from({ length: images }, (_, n) => n % 2);
  data.forEach((_, i) => {
    const n = Math.floor(i / (side * side));
    const [y, x] = [Math.floor(i / side) % side, i % side];
    if ((labels[n] === 0 ? x : y) === n % side) data[i] = 255;
  });
  await writeNpz(join(folder, 'data.npz'), {
    images: { shape: [images, side, side, 1], data },
    labels: { shape: [images], data: labels },
  });
  return folder;
}

/** A configuration of `steps` steps on the data in `folder`. */
export function tinyConfig(folder: string, steps: number): PartialConfig {
  return {
    data: join(folder, 'data.npz'),
    model: { type: 'unet', ...tinyUnet },
    diffusion: { timesteps: 20 },
    batchSize: 4,
    totalSteps: steps,
    engine: 'tfjs-cpu',
    logEvery: 3,
    sampleEvery: 0,
    samples: 4,
    sampler: { type: 'ddim', steps: 2 },
    checkpoints: { every: 2, keepLast: 3 },
    out: join(folder, 'run'),
  };
}

/** Arguments of `dm train` for that configuration, which is written into `folder`. */
export function tinyArguments(folder: string, steps: number, out: string, ...more: string[]): string[] {
  const path = join(folder, 'tiny.json');
  writeFileSync(path, JSON.stringify(tinyConfig(folder, steps)));
  return ['train', '--config', path, '--out', out, ...more];
}

export const tinyUnet = {
  block_out_channels: [8, 8],
  down_block_types: ['DownBlock2D' as const, 'DownBlock2D' as const],
  up_block_types: ['UpBlock2D' as const, 'UpBlock2D' as const],
  layers_per_block: 1,
  norm_num_groups: 4,
};

/** Size of `song-unet` and `edm2-unet`. */
export const tinySongUnet = { model_channels: 4, channel_mult: [1], num_blocks: 1, attn_resolutions: [] };

/** A DiT that is conditional on the two classes, with a null class. */
export const tinyDit = {
  patch_size: 4,
  hidden_size: 16,
  depth: 1,
  num_heads: 2,
  num_classes: 2,
  class_dropout_prob: 0.5,
};

/** Adds `latents.npz` to the folder: float32 [23, 4, 32, 32] with labels, each channel with its own mean and scale. */
export async function addTinyLatents(folder: string): Promise<string> {
  const path = join(folder, 'latents.npz');
  const size = 32 * 32;
  const data = Float32Array.from({ length: images * 4 * size }, (_, i) => {
    const [n, channel, pixel] = [Math.floor(i / (4 * size)), Math.floor(i / size) % 4, i % size];
    return channel - 2 + 2 * (channel + 1) * Math.sin(0.37 * n + (0.1 + 0.2 * (n % 2)) * pixel);
  });
  await writeNpz(path, {
    latents: { shape: [images, 4, 32, 32], data },
    labels: { shape: [images], data: Int32Array.from({ length: images }, (_, n) => n % 2) },
  });
  return path;
}

/** Adds `colors.npz` to the folder: uint8 [23, 4, 4, 3] with labels. */
export async function addTinyColors(folder: string): Promise<string> {
  const path = join(folder, 'colors.npz');
  const data = Uint8Array.from({ length: images * 48 }, (_, i) => 127.5 + 127 * Math.sin(0.7 * (i % 48) + i / 48));
  await writeNpz(path, {
    images: { shape: [images, 4, 4, 3], data },
    labels: { shape: [images], data: Int32Array.from({ length: images }, (_, n) => n % 2) },
  });
  return path;
}

/** `tinyConfig` with the fastest model, batch, and sampler: for tests of what surrounds the steps. */
export function quickConfig(folder: string, steps: number): PartialConfig {
  return {
    ...tinyConfig(folder, steps),
    model: { type: 'dit', ...tinyDit },
    batchSize: 2,
    samples: 1,
    sampler: { type: 'ddim', steps: 1 },
  };
}
