/** Images from a denoiser: the sampler of @dm/core around the model of a run. */
import { createSampler, samplerFromConfig, discretePath, type ImageSampler } from '@dm/core';
import { oneHot } from '@dm/data';
import type { Arrays, Engine, StateHandle } from '@dm/ops';
import { UserError } from './errors.js';
import { gridPng, type Images } from './images.js';
import type { Denoiser } from './recipe.js';
import { namedParameters } from './step.js';

/** Images that go through the model at a time: enough to keep the processor busy, few enough for the memory. */
export const sampleBatch = 64;

/**
 * Compiles a sampler over the state `weights` [P] (`ema` or `params`) and `buffers`, as in a training state. x_0 is
 * clipped to [-1, 1], the range of images.
 */
export function samplerOf(denoiser: Denoiser, engine: Engine, weights: 'ema' | 'params'): ImageSampler {
  const { model, noiseSchedule, config } = denoiser;
  const { name, steps } = config.sampler;
  return createSampler({
    engine,
    predict: (state, x, t, inputs) =>
      model.apply(
        namedParameters(denoiser, state[weights]!, state),
        x,
        t,
        model.numClasses > 0 ? { cond: inputs['cond']! } : {},
      ),
    prediction: config.diffusion.prediction,
    sampler: samplerFromConfig({ name }),
    path: discretePath(noiseSchedule, { steps }),
    shape: model.inputShape,
    clip: 1,
  });
}

/** Further inputs of the sampler for images of these classes; none for an unconditional model. */
export function conditionOf({ model }: Denoiser, count: number, label: number | undefined): Arrays {
  if (model.numClasses === 0) {
    if (label !== undefined) throw new UserError(`The model is unconditional: there is no class ${label} to ask for.`);
    return {};
  }
  if (label !== undefined && !(Number.isInteger(label) && label >= 0 && label < model.numClasses)) {
    throw new UserError(`There is no class ${label}: the model has ${model.numClasses}, counted from 0.`);
  }
  const labels = Array.from({ length: count }, (_, i) => label ?? i % model.numClasses);
  const width = model.condSize;
  return { cond: { dtype: 'float32', shape: [count, width], data: oneHot(labels, width) } };
}

/** Makes the same images again and again while their model learns: the noise is that of the run's seed. */
export interface GridSampler {
  /** The first `count` images of the run's seed with the EMA weights in `state`, which is left as it is. */
  images(state: StateHandle, count: number): Promise<Images>;
  /** A PNG of `config.samples` images with the EMA weights in `state`, which is left as it is. */
  grid(state: StateHandle): Promise<Uint8Array>;
  dispose(): Promise<void>;
}

export function createGridSampler(denoiser: Denoiser, engine: Engine): GridSampler {
  const { config, model } = denoiser;
  const sampler = samplerOf(denoiser, engine, 'ema');
  const images = async (state: StateHandle, count: number): Promise<Images> => {
    const { data } = await sampler.sample({
      state,
      seed: config.seed,
      n: count,
      batchSize: sampleBatch,
      inputs: conditionOf(denoiser, count, undefined),
    });
    return { images: data, shape: [count, ...model.inputShape] };
  };
  return {
    images,
    grid: async (state) => gridPng(await images(state, config.samples)),
    dispose: () => sampler.dispose(),
  };
}
