/** Sampling images from a denoiser with the samplers of @dm/core. */
import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import {
  createSampler,
  discretePath,
  edmPath,
  flowPath,
  samplerFromConfig,
  type ImageSampler,
  type NoisePath,
  type NoiseSchedule,
  type SamplerConfig,
  type SamplerOptions,
  type Spacing,
} from '@dm/core';
import { type Arrays, type Engine, oneHot, type StateHandle, type Tensors } from '@dm/ops';
import type * as tf from '@tensorflow/tfjs-core';
import type { Config } from '../config/schema.js';
import { messageOf, UserError } from '../errors.js';
import { gridPng, type Images } from '../files/images.js';
import { hasZeroTerminalSnr, predictionOptions, type Denoiser } from '../setup/denoiser.js';
import { alone, stretchOf, type Group } from '../setup/group.js';
import { edmRange } from '../setup/noise-process.js';
import { namedParameters } from '../step/denoising-losses.js';

/** Images per model call: enough to use the processor well, few enough to fit in memory. */
export const samplingBatchSize = 64;

/**
 * Compiles a sampler over the state `weights` [P] (`params`, or an average's name) and `buffers`, as in a training
 * state.
 *
 * @throws {UserError} if guidance is used with a model without a null class, or if sampler, path, and prediction do not fit
 *   together
 */
export function createDenoiserSampler(denoiser: Denoiser, engine: Engine, weights: string): ImageSampler {
  const { model, config } = denoiser;
  const { guidance, guidanceInterval } = config.sampler;
  if (guidance !== 1 && denoiser.nullClass === undefined) {
    throw new UserError(`Guidance ${guidance} needs a model with a null class: train it with --label-dropout 0.1.`);
  }
  const options = {
    engine,
    predict: (state: Tensors, x: tf.Tensor, t: tf.Tensor, inputs: Tensors) =>
      model.apply(
        namedParameters(denoiser, state[weights]!, state),
        x,
        t,
        model.numClasses > 0 ? { cond: inputs['cond']! } : {},
      ),
    prediction: config.diffusion.prediction.type,
    ...predictionOptions(config.diffusion),
    shape: model.inputShape,
    ...clippingOf(config.sampler),
    ...(guidance !== 1 && {
      guidance: { scale: guidance, ...(guidanceInterval !== null && { interval: guidanceInterval }) },
    }),
  };
  try {
    const path = samplingPath(denoiser);
    return createSampler({ ...options, sampler: samplerFromConfig(ownOptions(config.sampler)), path });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UserError(`The configuration's sampler cannot be used: ${messageOf(error)}.`, {
      code: 'CONFIG_INVALID',
      cause: error,
    });
  }
}

type SamplerPart = Config['sampler'];

/** The sampler in the form of @dm/core, without the options that all samplers share. */
function ownOptions(sampler: SamplerPart): SamplerConfig {
  const { type: name, steps: _, guidance: _g, guidanceInterval: _i, path: _p, clipping: _c, ...own } = sampler;
  // TypeScript does not relate a rest of so many types; tests create each of them.
  return { name, ...own } as SamplerConfig;
}

/** The noise levels of a denoiser's sampler. */
export function samplingPath({
  config: { sampler, diffusion },
  noiseSchedule,
}: Pick<Denoiser, 'config' | 'noiseSchedule'>): NoisePath {
  const { path, steps } = sampler;
  const { schedule } = diffusion;
  if (schedule.type === 'flow') {
    const { shift, timeScale } = schedule;
    // Other paths are refused by `checkObjective`.
    const { type: _, final: _final, ...own } = path as Extract<SamplerPart['path'], { readonly type: 'flow' }>;
    return flowPath({
      steps,
      ...(timeScale !== undefined && { timeScale }),
      ...(shift !== undefined && !('dynamicShift' in own) && { shift }),
      ...own,
    });
  }
  if (schedule.type === 'edm') {
    const { type: _, ...range } = schedule;
    const { type: _path, final: _final, ...own } = path as Extract<SamplerPart['path'], { readonly type: 'edm' }>;
    return edmPath({ steps, ...range, ...own });
  }
  return pathOf(sampler, noiseSchedule);
}

/** The noise levels of a configuration's sampler on a discrete schedule. */
export function pathOf({ path, steps }: Pick<SamplerPart, 'path' | 'steps'>, schedule: NoiseSchedule): NoisePath {
  switch (path.type) {
    case 'discrete': {
      const { type: _, ...options } = path;
      return discretePath(schedule, { steps, spacing: defaultSpacing(schedule), ...options });
    }
    case 'karras':
    case 'edm': {
      const { type, final = 'clean', ...options } = path;
      const range = type === 'edm' ? edmRange : {};
      return discretePath(schedule, { steps, final, karras: { ...range, ...options } });
    }
    case 'exponential': {
      const { type: _, final = 'clean', ...options } = path;
      return discretePath(schedule, { steps, final, exponential: options });
    }
    case 'beta': {
      const { type: _, final = 'clean', ...options } = path;
      return discretePath(schedule, { steps, final, beta: options });
    }
    default: {
      const { type: _, final = 'clean', ...options } = path;
      return discretePath(schedule, { steps, final, flow: options });
    }
  }
}

/** Trailing if the last timestep is pure noise: it must be visited, and in few steps only trailing spacing does so. */
export function defaultSpacing(schedule: NoiseSchedule): Spacing {
  return hasZeroTerminalSnr(schedule) ? 'trailing' : 'leading';
}

function clippingOf({ clipping }: SamplerPart): Pick<SamplerOptions, 'clip' | 'threshold'> {
  if (clipping === null) return {};
  const { type, ...options } = clipping;
  return type === 'range' ? { clip: clipping.max ?? 1 } : { threshold: options };
}

/** The class inputs of a sampler, one row per image. */
export interface ClassCondition {
  readonly inputs: Arrays;
  /** The unconditional inputs, for guidance; empty if the model has no null class. */
  readonly unconditional: Arrays;
}

/**
 * Class inputs for `count` images: of class `labels[i]` for image i, or of all classes in turn; empty for an unconditional
 * model.
 */
export function classCondition(denoiser: Denoiser, count: number, labels?: Int32Array): ClassCondition {
  const { model, classes, nullClass } = denoiser;
  if (model.numClasses === 0) return { inputs: {}, unconditional: {} };
  const rows = (labelOf: (i: number) => number): Arrays => ({
    cond: oneHot(
      Array.from({ length: count }, (_, i) => labelOf(i)),
      model.condDim,
    ),
  });
  return {
    inputs: rows((i) => labels?.[i] ?? i % classes),
    unconditional: nullClass === undefined ? {} : rows(() => nullClass),
  };
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
