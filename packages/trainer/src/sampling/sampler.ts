/** Sampling images from a denoiser with the samplers of @dm/core. */
import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import {
  type ContinuousScheduleConfig,
  type ImageSampler,
  noisePathFromConfig,
  type NoisePath,
  type NoiseSchedule,
} from '@dm/core';
import { classCondition, createModelSampler, samplingBatchSize } from '@dm/models';
import type { Engine, StateHandle } from '@dm/ops';
import { messageOf, UserError } from '../errors.js';
import { gridPng, type Images } from '../files/images.js';
import { predictionOptions, type Denoiser } from '../setup/denoiser.js';
import { alone, stretchOf, type Group } from '../setup/group.js';

/**
 * Compiles a sampler over the state `weights` [P] (`params`, or an average's name) and `buffers`, as in a training
 * state.
 *
 * @throws {UserError} if guidance is used with a model without a null class, or if sampler, path, and prediction do not fit
 *   together
 */
export function createDenoiserSampler(denoiser: Denoiser, engine: Engine, weights: string): ImageSampler {
  const { model, layout, bufferLayout, config } = denoiser;
  const { guidance } = config.sampler;
  if (guidance !== 1 && denoiser.nullClass === undefined) {
    throw new UserError(`Guidance ${guidance} needs a model with a null class: train it with --label-dropout 0.1.`);
  }
  try {
    return createModelSampler({
      engine,
      model,
      layout,
      bufferLayout,
      prediction: config.diffusion.prediction,
      predictionOptions: predictionOptions(config.diffusion),
      schedule: samplingSchedule(denoiser),
      sampler: config.sampler,
      weights,
    });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UserError(`The configuration's sampler cannot be used: ${messageOf(error)}.`, {
      code: 'CONFIG_INVALID',
      cause: error,
    });
  }
}

/** The noise levels that a denoiser is sampled on. */
function samplingSchedule({
  config,
  noiseSchedule,
}: Pick<Denoiser, 'config' | 'noiseSchedule'>): NoiseSchedule | ContinuousScheduleConfig {
  const { schedule } = config.diffusion;
  return schedule.type === 'flow' || schedule.type === 'edm' ? schedule : noiseSchedule;
}

/** The noise levels of a denoiser's sampler. */
export function samplingPath(denoiser: Pick<Denoiser, 'config' | 'noiseSchedule'>): NoisePath {
  return noisePathFromConfig(denoiser.config.sampler, samplingSchedule(denoiser));
}

/** Generates images from the same noise (of the run's seed) throughout training, shared among the ranks by their index. */
export interface PreviewSampler {
  /**
   * The first `count` images of the run's seed with the weights `ema` of `state`, which is not changed; undefined on ranks
   * other than 0.
   */
  images(state: StateHandle, count: number): Promise<Images | undefined>;
  /** A PNG grid of `config.samples` images, as of `images`. */
  grid(state: StateHandle): Promise<Uint8Array | undefined>;
  dispose(): Promise<void>;
}

export function createPreviewSampler(denoiser: Denoiser, engine: Engine, group: Group = alone): PreviewSampler {
  const { config, model } = denoiser;
  const sampler = createDenoiserSampler(denoiser, engine, 'ema');
  const images = async (state: StateHandle, total: number): Promise<Images | undefined> => {
    const { first, count } = stretchOf(group, total);
    const indices = Array.from({ length: count }, (_, i) => first + i);
    const parts = await group.exchange(
      async () => {
        if (count === 0) return new Float32Array(0);
        const { data } = await sampler.sample({
          state,
          seed: config.seed,
          imageIndices: indices,
          batchSize: samplingBatchSize,
          ...classCondition(denoiser, count, labelsOf(denoiser, indices)),
          // An engine may run steps without ever returning to the event loop, which signals and timers need.
          onStep: () => eventLoopTurn(),
        });
        return data;
      },
      { to: 0 },
    );
    if (group.rank !== 0) return undefined;
    return { images: parts.length === 1 ? parts[0]! : joined(parts), shape: [total, ...model.inputShape] };
  };
  return {
    images,
    async grid(state) {
      const made = await images(state, config.samples);
      return made && gridPng(made);
    },
    dispose: () => sampler.dispose(),
  };
}

/** The class of each image: all classes in turn. */
function labelsOf({ classes }: Denoiser, indices: readonly number[]): Int32Array {
  return Int32Array.from(indices, (index) => (classes === 0 ? 0 : index % classes));
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}
