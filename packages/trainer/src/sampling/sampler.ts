/** Images from a denoiser: the sampler of @dm/core around the model of a run. */
import { createSampler, samplerFromConfig, discretePath, type ImageSampler } from '@dm/core';
import { type Arrays, type Engine, oneHot, type StateHandle } from '@dm/ops';
import { UserError } from '../errors.js';
import { gridPng, type Images } from '../files/images.js';
import { predictionOptions, type Denoiser } from '../setup/denoiser.js';
import { namedParameters } from '../step/denoising-losses.js';

/** Images that go through the model at a time: enough to keep the processor busy, few enough for the memory. */
export const samplingBatchSize = 64;

/**
 * Compiles a sampler over the state `weights` [P] (`params`, or an average's name) and `buffers`, as in a training
 * state. x_0 is clipped to [-1, 1], the range of images.
 * @throws {UserError} if guidance is asked of a model that has no null class
 */
export function createDenoiserSampler(denoiser: Denoiser, engine: Engine, weights: string): ImageSampler {
  const { model, noiseSchedule, config } = denoiser;
  const { type, steps, guidance, guidanceInterval } = config.sampler;
  if (guidance !== 1 && denoiser.nullClass === undefined) {
    throw new UserError(
      `Guidance ${guidance} needs a model that knows images without a class as well: train it with --label-dropout 0.1.`,
    );
  }
  return createSampler({
    engine,
    predict: (state, x, t, inputs) =>
      model.apply(
        namedParameters(denoiser, state[weights]!, state),
        x,
        t,
        model.numClasses > 0 ? { cond: inputs['cond']! } : {},
      ),
    prediction: config.diffusion.prediction.type,
    ...predictionOptions(config.diffusion),
    sampler: samplerFromConfig({ name: type }),
    path: discretePath(noiseSchedule, { steps }),
    shape: model.inputShape,
    clip: 1,
    ...(guidance !== 1 && {
      guidance: { scale: guidance, ...(guidanceInterval !== null && { interval: guidanceInterval }) },
    }),
  });
}

/** What tells a sampler of classes: one row an image. */
export interface ClassCondition {
  readonly inputs: Arrays;
  /** The same without the class, for guidance; empty where the model has no null class. */
  readonly unconditional: Arrays;
}

/** For images of this class, or of each in turn; nothing for an unconditional model. */
export function classCondition(denoiser: Denoiser, count: number, label: number | undefined): ClassCondition {
  const { model, classes, nullClass } = denoiser;
  if (model.numClasses === 0) {
    if (label !== undefined)
      throw new UserError(`The model is unconditional: there is no class ${label} to ask for.`, {
        code: 'CLASS_UNKNOWN',
      });
    return { inputs: {}, unconditional: {} };
  }
  if (label !== undefined && !(Number.isInteger(label) && label >= 0 && label < classes)) {
    throw new UserError(`There is no class ${label}: the model has ${classes}, counted from 0.`, {
      code: 'CLASS_UNKNOWN',
    });
  }
  const rows = (labelOf: (i: number) => number): Arrays => {
    const labels = Array.from({ length: count }, (_, i) => labelOf(i));
    return { cond: oneHot(labels, model.condDim) };
  };
  return {
    inputs: rows((i) => label ?? i % classes),
    unconditional: nullClass === undefined ? {} : rows(() => nullClass),
  };
}

/** Makes the same images again and again while their model learns: the noise is that of the run's seed. */
export interface PreviewSampler {
  /** The first `count` images of the run's seed with the weights of `ema` in `state`, which is left as it is. */
  images(state: StateHandle, count: number): Promise<Images>;
  /** A PNG of `config.samples` images with the EMA weights in `state`, which is left as it is. */
  grid(state: StateHandle): Promise<Uint8Array>;
  dispose(): Promise<void>;
}

export function createPreviewSampler(denoiser: Denoiser, engine: Engine): PreviewSampler {
  const { config, model } = denoiser;
  const sampler = createDenoiserSampler(denoiser, engine, 'ema');
  const images = async (state: StateHandle, count: number): Promise<Images> => {
    const { data } = await sampler.sample({
      state,
      seed: config.seed,
      n: count,
      batchSize: samplingBatchSize,
      ...classCondition(denoiser, count, undefined),
    });
    return { images: data, shape: [count, ...model.inputShape] };
  };
  return {
    images,
    grid: async (state) => gridPng(await images(state, config.samples)),
    dispose: () => sampler.dispose(),
  };
}
