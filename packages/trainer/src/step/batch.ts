/** The inputs of a training step: images, noise and timesteps, all functions of (seed, step). */
import {
  boundInputs,
  dropoutMask,
  forwardInputs,
  inputScale,
  networkInputs,
  nearestNoise,
  permutation,
  squaredErrorScale,
  targetInputs,
  uniformEach,
  type NoiseLevel,
  type NoiseSchedule,
  type Prediction,
} from '@dm/core';
import type { TimestepSample, ScheduleState } from '@dm/curriculum';
import { type Arrays, float32, type NdArray, oneHot, toScalars } from '@dm/ops';
import type { Config } from '../config/schema.js';
import { lossSpaceOf, predictionOptions, type Denoiser } from '../setup/denoiser.js';
import { stretchOf, type Stretch } from '../setup/group.js';
import { sampledLevels } from '../setup/noise-process.js';
import { levelWeights, weightScaleAt, type TrainingSetup } from '../setup/training-setup.js';
import { trainedEntries } from '../setup/state-table.js';
import { uncertaintyInputs } from '../setup/uncertainty.js';

/** The inputs of a step that do not depend on the previous step, and are prepared while that runs. */
export interface Batch {
  readonly images: NdArray;
  readonly noise: NdArray;
  /** One-hot classes [B, condDim], for a conditional model. */
  readonly cond?: NdArray;
  /** Dropout masks, named `mask.<name>`. */
  readonly [mask: `mask.${string}`]: NdArray;
}

/** Images and noise of optimizer step `step` (from 0): the rows of this rank, [B / ranks, ...] each. */
export async function fetchBatch(setup: TrainingSetup, step: number): Promise<Batch> {
  const { config, batches, model, group } = setup;
  const { seed, flip } = config;
  const { first, count: batchSize } = ownRows(setup);
  // The order of examples does not depend on the batch size, so the rows of a rank are a smaller batch of a later step.
  const own = { seed, step: step * group.size + group.rank, batchSize, flip };
  const { images, labels } = await batches.read(own);
  const indices = Array.from({ length: batchSize }, (_, i) => first + i);
  const masks = model.dropouts.map(({ name, shape, rate }, lane) => [
    `mask.${name}`,
    dropoutMask({ seed, stream: 'dropout', step, indices, lane }, shape, rate),
  ]);
  const x0 = float32(images, [batchSize, ...batches.shape]);
  return {
    images: x0,
    noise: nearestNoise({ seed, stream: 'noise', step, indices }, x0, config.noiseCandidates),
    ...(model.numClasses > 0 && { cond: condition(setup, step, labels!, indices) }),
    ...Object.fromEntries(masks),
  };
}

/** Prefetches batches: reads the next batch while a step runs. */
export class Prefetcher {
  private requested: Promise<Batch> | undefined;

  constructor(private readonly setup: TrainingSetup) {}

  /** Starts reading the batch of optimizer step `step` (from 0). */
  request(step: number): void {
    this.requested = fetchBatch(this.setup, step);
    this.requested.catch(() => {}); // thrown by `next`, unless a step fails first
  }

  /** The batch of the last request. */
  async next(): Promise<Batch> {
    if (this.requested === undefined) throw new Error('no batch was requested');
    return this.requested;
  }
}

/** One-hot classes, with labels replaced by the null class according to the setup's label dropout. */
function condition(
  { config, model, nullClass, labelDropout }: TrainingSetup,
  step: number,
  labels: Int32Array,
  indices: readonly number[],
): NdArray {
  const given = Int32Array.from(labels);
  if (nullClass !== undefined) {
    const u = uniformEach({ seed: config.seed, stream: 'labelDropout', step, indices });
    u.forEach((value, i) => {
      if (value < labelDropout) given[i] = nullClass;
    });
  }
  return oneHot(given, model.condDim);
}

/** Timesteps, and the factor that scales the weights of their noise levels (default: 1). */
export interface DrawnTimesteps extends TimestepSample {
  readonly weightScale?: number;
}

/**
 * The timesteps of optimizer step `step` and the importance weights of their losses, sampled from the curriculum, for the
 * whole batch on every rank.
 */
export function drawTimesteps(setup: TrainingSetup, step: number, state: ScheduleState | undefined): DrawnTimesteps {
  const { config, curriculum } = setup;
  const indices = Array.from({ length: config.batchSize }, (_, i) => i);
  const u = uniformEach({ seed: config.seed, stream: 'timesteps', step, indices });
  const drawn = config.timestepDraws === 'stratified' ? stratified(u, config.seed, step) : u;
  return { ...curriculum.sample(step, drawn, state), weightScale: weightScaleAt(setup, step, state) };
}

/** Uniform numbers moved into equal parts of [0, 1), one in each, in random order: [B] → [B]. */
function stratified(u: Float64Array | Float32Array, seed: number, step: number): Float64Array {
  const order = permutation({ seed, stream: 'timesteps', step, lane: 1 }, u.length);
  return Float64Array.from(u, (value, i) => Math.min(1 - 2 ** -53, (order[i]! + value) / u.length));
}

/** The rows of each batch that this rank computes. */
function ownRows({ config, group }: Pick<TrainingSetup, 'config' | 'group'>): Stretch {
  return stretchOf(group, config.batchSize);
}

/**
 * All inputs of optimizer step `step` (from 0) for the rows of this rank; `sample` is of the whole batch. The weight of an
 * example is its importance weight times the weight of its noise level.
 */
export function stepInputs(setup: TrainingSetup, batch: Batch, sample: DrawnTimesteps, step: number): Arrays {
  const { continuous, lossWeights, config, uncertainty } = setup;
  const own = ownSample(setup, sample);
  const { weightScale = 1 } = sample;
  const levels = sampledLevels(setup, own);
  const ofLevels =
    continuous === undefined
      ? Array.from(own.timesteps, (t) => lossWeights[t]!)
      : levelWeights(config, levels.map(snrOf));
  return {
    ...batch,
    ...noiseLevelInputs(setup, levels),
    weights: float32(own.weights.map((w, i) => w * ofLevels[i]! * weightScale)),
    ...(uncertainty !== undefined && uncertaintyInputs(uncertainty, levels, own.weights)),
    ...updateScalars(setup, step),
  };
}

function snrOf({ alpha, sigma }: NoiseLevel): number {
  return (alpha / sigma) ** 2;
}

/** The inputs of optimizers and averages at optimizer step `step` (from 0). */
export function updateScalars(setup: TrainingSetup, step: number): Arrays {
  const averages = setup.averages.map((average) => toScalars(average.scalars(step)));
  return { ...optimizerScalars(setup, step), ...Object.assign({}, ...averages) } as Arrays;
}

function ownSample(setup: TrainingSetup, sample: TimestepSample): TimestepSample {
  if (setup.group.size === 1) return sample;
  const { first, count } = ownRows(setup);
  const { timesteps, weights, positions } = sample;
  return {
    timesteps: timesteps.slice(first, first + count),
    weights: weights.slice(first, first + count),
    ...(positions !== undefined && { positions: positions.slice(first, first + count) }),
  };
}

/** Learning rates and other optimizer scalars of all trained entries, with the entry's prefix. */
function optimizerScalars(setup: TrainingSetup, step: number): Arrays {
  const scalars = trainedEntries(setup).flatMap(({ optimizer, prefix }) =>
    Object.entries(toScalars(optimizer.scalars(step))).map(([name, value]) => [prefix + name, value] as const),
  );
  return Object.fromEntries(scalars);
}

/**
 * Inputs that depend on the noise level, one level per example, float32 [N] each: `t`; `alpha` and `sigma`, from which
 * `addNoise` computes the network's input; `targetX0` and `targetNoise`. For the prediction `edm`, alpha and sigma include
 * the factor c_in, which scales the input to unit variance (Table 1 of Karras et al. 2022, arXiv:2206.00364); for other
 * predictions the input is x_t itself. If the loss is the error of another quantity than the prediction, `lossScale`; with
 * a learned variance, `bound.<name>` of `boundInputs`.
 */
export function noiseLevelInputs(
  { config: { diffusion }, noiseSchedule }: Pick<Denoiser, 'config' | 'noiseSchedule'>,
  levels: readonly NoiseLevel[],
): Arrays {
  const prediction = diffusion.prediction.type;
  const options = predictionOptions(diffusion);
  const target = targetInputs(prediction, levels, options);
  const scaled = levels.map((level) => {
    const scale = inputScale(prediction, level, options);
    return { alpha: scale * level.alpha, sigma: scale * level.sigma };
  });
  return {
    t: networkInputs(prediction, levels, options).t,
    ...forwardInputs(scaled),
    targetX0: target.x0,
    targetNoise: target.noise,
    ...lossScaleInput(diffusion, levels),
    ...(diffusion.variance !== null && varianceInputs(noiseSchedule, prediction, levels)),
  };
}

/** The factor between the squared errors of the prediction and of the loss. */
function lossScaleInput(diffusion: Config['diffusion'], levels: readonly NoiseLevel[]): Arrays {
  const [from, to] = [diffusion.prediction.type, lossSpaceOf(diffusion)];
  if (from === to) return {};
  const { maxWeight = Infinity } = diffusion.loss!;
  const options = predictionOptions(diffusion);
  return {
    lossScale: float32(levels.map((level) => Math.min(maxWeight, squaredErrorScale(from, to, level, options)))),
  };
}

function varianceInputs(schedule: NoiseSchedule, prediction: Prediction, levels: readonly NoiseLevel[]): Arrays {
  const bound = boundInputs(
    schedule,
    levels.map(({ t }) => t),
    prediction,
  );
  return Object.fromEntries(Object.entries(bound).map(([name, values]) => [`bound.${name}`, values]));
}
