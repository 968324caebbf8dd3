/** Sampling from a model whose parameters are flat vectors, as in a training state. */
import {
  createSampler,
  type ImageSampler,
  noisePathFromConfig,
  type NoiseSchedule,
  type PredictionOptions,
  samplerFromConfig,
  type SamplerConfig,
  type SamplerOptions,
} from '@dm/core';
import type { ContinuousScheduleConfig } from '@dm/core';
import type { Engine, FlatLayout, Tensors } from '@dm/ops';
import type * as tf from '@tensorflow/tfjs-core';
import { namedParameters } from '../layout.js';
import type { Model } from '../model.js';
import { type DiffusionConfig, predictionOptionsOf, type SamplingConfig } from './diffusion-config.js';

/** Images per model call: enough to use the processor well, few enough to fit in memory. */
export const samplingBatchSize = 64;

/**
 * Most parameters of a model whose weights are compiled in. At four times as many, compiling takes as long as 50 steps of
 * one image gain ("Sampling" in docs/engine.md).
 */
const mostFrozen = 2 ** 23;

export interface ModelSamplerOptions {
  readonly engine: Engine;
  readonly model: Model;
  /** `parameterLayout` and `bufferLayout` of the model. */
  readonly layout: FlatLayout;
  readonly bufferLayout: FlatLayout;
  readonly prediction: DiffusionConfig['prediction'];
  /** Replaces the options of `prediction`. */
  readonly predictionOptions?: PredictionOptions;
  readonly schedule: NoiseSchedule | ContinuousScheduleConfig;
  readonly sampler: SamplingConfig;
  /** Name of the parameters [P] in the state; buffers are `buffers`. Default: `params`. */
  readonly weights?: string;
  /**
   * Whether states stay the same from call to call: weights of up to 2^23 parameters are then compiled in, which makes
   * each step faster. Default: false, for weights that are still being trained.
   */
  readonly frozenState?: boolean;
}

/**
 * Compiles a sampler over the state `weights` [P] and `buffers`. Guidance needs the inputs of `classCondition`.
 * @throws {RangeError} if sampler, path, and prediction do not fit together, or an option is invalid
 */
export function createModelSampler({
  engine,
  model,
  layout,
  bufferLayout,
  prediction,
  predictionOptions = predictionOptionsOf({ prediction }),
  schedule,
  sampler,
  weights = 'params',
  frozenState = false,
}: ModelSamplerOptions): ImageSampler {
  const { guidance, guidanceInterval } = sampler;
  return createSampler({
    engine,
    predict: (state: Tensors, x: tf.Tensor, t: tf.Tensor, inputs: Tensors) =>
      model.apply(
        namedParameters({ layout, bufferLayout }, state[weights]!, state),
        x,
        t,
        model.numClasses > 0 ? { cond: inputs['cond']! } : {},
      ),
    prediction: prediction.type,
    ...predictionOptions,
    shape: model.inputShape,
    ...clippingOf(sampler),
    ...(guidance !== 1 && {
      guidance: { scale: guidance, ...(guidanceInterval !== null && { interval: guidanceInterval }) },
    }),
    sampler: samplerFromConfig(ownOptions(sampler)),
    path: noisePathFromConfig(sampler, schedule),
    frozenState: frozenState && layout.size <= mostFrozen,
  });
}

/** The sampler in the form of @dm/core, without the options that all samplers share. */
export function ownOptions(sampler: SamplingConfig): SamplerConfig {
  const { type: name, steps: _, guidance: _g, guidanceInterval: _i, path: _p, clipping: _c, ...own } = sampler;
  // TypeScript does not relate a rest of so many types; tests create each of them.
  return { name, ...own } as SamplerConfig;
}

function clippingOf({ clipping }: SamplingConfig): Pick<SamplerOptions, 'clip' | 'threshold'> {
  if (clipping === null) return {};
  const { type, ...options } = clipping;
  return type === 'range' ? { clip: clipping.max ?? 1 } : { threshold: options };
}
