/** Samples of a run as a set of images, generated on reading. */
import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import { toBytes } from '@dm/data';
import type { ImageSource } from '@dm/eval';
import { classCondition } from '@dm/models';
import { type Arrays, float32, type NdArray } from '@dm/ops';
import { engineOptions, openEngine } from '../../setup/engine.js';
import { UserError } from '../../errors.js';
import { openDenoiser } from '../../setup/open-denoiser.js';
import {
  readSelectedCheckpoint,
  samplingConfig,
  type GenerateSamplesOptions,
} from '../../sampling/generate-samples.js';
import { createDenoiserSampler } from '../../sampling/denoiser-sampler.js';
import { readWeights } from '../../checkpoint/pack-state.js';

export type RunSourceOptions = Pick<
  GenerateSamplesOptions,
  'run' | 'checkpoint' | 'best' | 'steps' | 'sampler' | 'seed' | 'engine' | 'device' | 'threads' | 'onNote' | 'onPhase'
> & { readonly count: number };

/** A set of images that keeps an engine open until `dispose`. */
export interface RunSource extends ImageSource {
  dispose(): Promise<void>;
}

/**
 * `count` images with the EMA weights, image i from noise i of the seed, its class i modulo the number of classes. They are
 * rounded to bytes, as in PNG files, which is how published metrics are computed.
 */
export async function openRunSource(options: RunSourceOptions): Promise<RunSource> {
  const checkpoint = readSelectedCheckpoint(options);
  const config = samplingConfig(checkpoint, options);
  const { count, seed = 0 } = options;
  if (!Number.isInteger(count) || count < 2) {
    throw new UserError(`--count must be an integer of at least 2, got ${count}.`);
  }
  if (config.latents !== null) {
    throw new UserError(
      `${checkpoint.path} generates latents, but the metrics compare images. Write them (dm sample --out samples.npz), decode ` +
        'them, and compare the images.',
      { code: 'DATA_MISMATCH' },
    );
  }
  const denoiser = openDenoiser(config);
  const shape = denoiser.model.inputShape;
  if (shape[2] !== 1 && shape[2] !== 3) {
    throw new UserError(`${checkpoint.path} generates arrays with ${shape[2]} channels, but images have 1 or 3.`);
  }
  const conditions = classCondition(denoiser, count);
  const engine = await openEngine(config.engine, { ...engineOptions(config), onPhase: options.onPhase });
  const sampler = createDenoiserSampler(denoiser, engine, 'params', { frozenState: true });
  const state = await sampler.load(readWeights(denoiser, checkpoint, 'ema'));
  const { type, steps } = config.sampler;
  return {
    name: checkpoint.path,
    shape,
    length: count,
    async *batches(size) {
      const rows = Math.min(size, count);
      for (let start = 0; start < count; start += rows) {
        const wanted = Math.min(rows, count - start);
        // Always the same number, repeating the last image: another batch size would be compiled again.
        const imageIndices = Array.from({ length: rows }, (_, i) => Math.min(start + i, count - 1));
        const inputs = rowsOf(conditions.inputs, imageIndices);
        const unconditional = rowsOf(conditions.unconditional, imageIndices);
        const { data } = await sampler.sample({
          state,
          seed,
          imageIndices,
          inputs,
          unconditional,
          onStep: () => eventLoopTurn(), // for signals and timers
        });
        yield toBytes(data.subarray(0, (data.length / rows) * wanted));
      }
    },
    skipped: [],
    notes: [`${checkpoint.path}: EMA weights, ${type} with ${steps} steps, seed ${seed}`],
    async dispose() {
      await sampler.dispose();
      await engine.dispose();
    },
  };
}

function rowsOf(arrays: Arrays, indices: readonly number[]): Arrays {
  return Object.fromEntries(
    Object.entries(arrays).map(([name, { shape, data }]): [string, NdArray] => {
      const width = data.length / shape[0]!;
      const rows = new Float32Array(indices.length * width);
      indices.forEach((index, n) =>
        rows.set((data as Float32Array).subarray(index * width, (index + 1) * width), n * width),
      );
      return [name, float32(rows, [indices.length, ...shape.slice(1)])];
    }),
  );
}
