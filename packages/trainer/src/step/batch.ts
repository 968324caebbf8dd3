/** What a training step is fed with: images, noise and timesteps, each a function of (seed, step). */
import { dropoutMask, noiseLevels, normalBatch, uniformEach } from '@dm/core';
import type { TimestepSample, ScheduleState } from '@dm/curriculum';
import { loadBatch } from '@dm/data';
import { type Arrays, float32, type NdArray, oneHot, toScalars } from '@dm/ops';
import { levelInputs } from './levels.js';
import type { TrainingSetup } from '../setup/training-setup.js';
import { uncertaintyInputs } from '../setup/uncertainty.js';

/** The part of a step's inputs that needs nothing from the step before, and so is made while that is computed. */
export interface Batch {
  readonly images: NdArray;
  readonly noise: NdArray;
  /** One-hot classes, for a conditional model. */
  readonly cond?: NdArray;
  /** Dropout masks, `mask.<name>` each. */
  readonly [mask: `mask.${string}`]: NdArray;
}

/** Images and noise of optimizer step `step` (from 0). */
export async function fetchBatch(setup: TrainingSetup, step: number): Promise<Batch> {
  const { config, dataset, model } = setup;
  const { seed, batchSize, flip } = config;
  const { images, labels } = await loadBatch(dataset, { seed, step, batchSize, flip });
  const indices = examples(batchSize);
  const noise = normalBatch({ seed, stream: 'noise', step, indices }, dataset.shape);
  const masks = model.dropouts.map(({ name, shape, rate }, lane) => [
    `mask.${name}`,
    dropoutMask({ seed, stream: 'dropout', step, indices, lane }, shape, rate),
  ]);
  return {
    images: float32(images, [batchSize, ...dataset.shape]),
    noise,
    ...(model.numClasses > 0 && { cond: condition(setup, step, labels!) }),
    ...Object.fromEntries(masks),
  };
}

/** One-hot classes; some labels are replaced by the null class where the setup drops labels. */
function condition(
  { config, model, nullClass, labelDropout }: TrainingSetup,
  step: number,
  labels: Int32Array,
): NdArray {
  const given = Int32Array.from(labels);
  if (nullClass !== undefined) {
    const indices = examples(labels.length);
    const u = uniformEach({ seed: config.seed, stream: 'labelDropout', step, indices });
    u.forEach((value, i) => {
      if (value < labelDropout) given[i] = nullClass;
    });
  }
  return oneHot(given, model.condDim);
}

/** The timesteps of optimizer step `step` and the importance weights of their losses, as the curriculum wants them. */
export function drawTimesteps(setup: TrainingSetup, step: number, state: ScheduleState | undefined): TimestepSample {
  const { config, curriculum } = setup;
  const u = uniformEach({ seed: config.seed, stream: 'timesteps', step, indices: examples(config.batchSize) });
  return curriculum.sample(step, u, state);
}

/**
 * All inputs of optimizer step `step` (from 0). The weight of an example is its importance weight times that of its noise
 * level.
 */
export function stepInputs(setup: TrainingSetup, batch: Batch, draw: TimestepSample, step: number): Arrays {
  const { noiseSchedule, lossWeights, config, optimizer, averages, uncertainty } = setup;
  const { timesteps } = draw;
  const levels = noiseLevels(noiseSchedule, timesteps);
  const weights = draw.weights.map((w, i) => w * lossWeights[timesteps[i]!]!);
  return {
    ...batch,
    ...levelInputs(config.diffusion, levels),
    weights: float32(weights),
    ...(uncertainty !== undefined && uncertaintyInputs(uncertainty, draw, step)),
    ...Object.assign({}, ...[optimizer, ...averages].map((part) => toScalars(part.scalars(step)))),
  };
}

/** The numbers of a batch's examples: 0 .. B-1. */
function examples(batchSize: number): number[] {
  return Array.from({ length: batchSize }, (_, i) => i);
}
