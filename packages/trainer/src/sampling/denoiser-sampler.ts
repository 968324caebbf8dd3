/** Sampling images from a denoiser with the samplers of @dm/core. */
import {
  type ContinuousScheduleConfig,
  type ImageSampler,
  noisePathFromConfig,
  type NoisePath,
  type NoiseSchedule,
} from '@dm/core';
import { createModelSampler } from '@dm/models';
import type { Engine } from '@dm/ops';
import { messageOf, UserError } from '../errors.js';
import { predictionOptions, type Denoiser } from '../setup/denoiser.js';

/**
 * Compiles a sampler over the state `weights` [P] (`params`, or an average's name) and `buffers`, as in a training
 * state. With `frozenState`, states stay the same from call to call, and small models are compiled in.
 *
 * @throws {UserError} if guidance is used with a model without a null class, or if sampler, path, and prediction do not fit
 *   together
 */
export function createDenoiserSampler(
  denoiser: Denoiser,
  engine: Engine,
  weights: string,
  { frozenState = false }: { readonly frozenState?: boolean } = {},
): ImageSampler {
  const { model, layout, bufferLayout, config } = denoiser;
  const { guidance } = config.sampler;
  if (guidance !== 1 && denoiser.nullClass === undefined) {
    throw new UserError(`Guidance ${guidance} needs a model with a null class: train it with labelDropout=0.1.`);
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
      frozenState,
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

/** The class of each image: all classes in turn. */
export function labelsOf({ classes }: Denoiser, indices: readonly number[]): Int32Array {
  return Int32Array.from(indices, (index) => (classes === 0 ? 0 : index % classes));
}
