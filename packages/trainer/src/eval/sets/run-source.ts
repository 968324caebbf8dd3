/** Samples of a run as a set of images, generated on reading. */
import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import { toBytes } from '@dm/data';
import type { ImageSource } from '@dm/eval';
import { classCondition } from '@dm/models';
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
import { paddedBatches, rowsOf } from '../padded-batches.js';

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
      for (const { length, indices: imageIndices } of paddedBatches(count, size)) {
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
        yield toBytes(data.subarray(0, (data.length / imageIndices.length) * length));
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
