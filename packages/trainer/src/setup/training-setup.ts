/** Creates the objects of a configuration: model, noise schedule, curriculum, optimizer, averages. Data is a `BatchSource`. */
import { hasZeroTerminalSnr } from '@dm/core';
import {
  createTimestepSchedule,
  snrFromAlphasCumprod,
  lossWeights,
  lossWeightScale,
  type ScheduleState,
  type TimestepSchedule,
  type TimestepScheduleName,
  type LossWeighting,
} from '@dm/curriculum';
import type { Optimizer, StepSchedule } from '@dm/optim';
import { createAverages, type Average } from './averages.js';
import type { Config } from '../config/schema.js';
import { createDenoiser, createNoiseSchedule, lossSpaceOf, predictionOptions, type Denoiser } from './denoiser.js';
import { UserError } from '../errors.js';
import { alone, type Group } from './group.js';
import { fitModel, type CreateModel } from '../config/model-types.js';
import { explainPart } from '../config/resolve.js';
import { createOptimizer } from './optimizers.js';
import { continuousProcess } from './noise-process.js';
import { createUncertainty, type Uncertainty } from './uncertainty.js';

/** The images of one batch, and their classes. */
export interface SourceBatch {
  /** [batchSize, H, W, C] in [-1, 1]. */
  readonly images: Float32Array;
  /** Class of each image, [batchSize]; absent if the data has no labels. */
  readonly labels?: Int32Array;
}

/** A request for a batch. A source must return the same batch for the same request. */
export interface BatchRequest {
  readonly seed: number;
  /** Optimizer step, from 0. */
  readonly step: number;
  readonly batchSize: number;
  /** Whether to flip images horizontally at random. */
  readonly flip: boolean;
}

/** Source of training images: files on Node (`batchSource`), or any other implementation, for example in a browser. */
export interface BatchSource {
  /** Name in messages. */
  readonly name: string;
  /** [H, W, C] of one image. */
  readonly shape: readonly [number, number, number];
  /** Names of the classes; empty if the data has no labels. */
  readonly classes: readonly string[];
  read(this: void, request: BatchRequest): Promise<SourceBatch>;
}

/** The objects that training needs. */
export interface TrainingSetup extends Denoiser {
  readonly batches: BatchSource;
  readonly curriculum: TimestepSchedule;
  /** Weight of the loss at each timestep, [T]; in continuous time, see `levelWeights`. */
  readonly lossWeights: Float64Array;
  /** The uncertainty head, if configured. */
  readonly uncertainty?: Uncertainty;
  readonly optimizer: Optimizer;
  /** Learning rate and momentum (beta1) at each step. */
  readonly lr: StepSchedule;
  readonly momentum: StepSchedule;
  /** Averages of the weights; the first one is used for samples during training. */
  readonly averages: readonly Average[];
  /** The processes that train together, each on its rows of every batch. */
  readonly group: Group;
}

/**
 * Creates the training setup for images of `batches`. Missing fields that depend on the data are filled in. `isResumed`
 * disables the checks that apply only to new runs. `group` are the processes that train together; default: this one alone. `create` makes the model,
 * as of `createDenoiser`.
 *
 * @throws {UserError} if model, data and options contradict each other
 */
export function createTrainingSetup(
  chosen: Config,
  batches: BatchSource,
  isResumed = false,
  group: Group = alone,
  create?: CreateModel,
): TrainingSetup {
  const denoiser = explainPart('model', chosen, () => createDenoiser(withDataShape(chosen, batches), create));
  const { config, noiseSchedule } = denoiser;
  checkFit(denoiser, batches);
  checkParts(config, group);
  if (!isResumed) checkPrediction(denoiser);

  const { totalSteps } = config;
  const scheduled = createOptimizer(config.optimizer, totalSteps, denoiser.layout);
  const uncertainty = createUncertainty(config, noiseSchedule);
  return {
    ...denoiser,
    batches,
    curriculum: explainPart('curriculum', config, () => curriculumOf(config)),
    lossWeights: levelWeights(config, snrFromAlphasCumprod(noiseSchedule.alphasCumprod)),
    ...(uncertainty !== undefined && { uncertainty }),
    ...scheduled,
    averages: createAverages(config, scheduled.optimizer),
    group,
  };
}

/** The timestep schedule of a configuration. */
export function curriculumOf({ curriculum, totalSteps, diffusion }: Config): TimestepSchedule {
  const { numTimesteps, alphasCumprod } = createNoiseSchedule(diffusion);
  const { type, ...options } = curriculum;
  const continuous = continuousProcess(diffusion)?.levels;
  const prediction = lossSpaceOf(diffusion);
  const context = { numTimesteps, totalSteps, alphasCumprod, continuous, prediction, ...predictionOptions(diffusion) };
  return createTimestepSchedule<TimestepScheduleName>(type, context, options);
}

/** The loss weights of noise levels with these signal-to-noise ratios: [N] → [N]. */
export function levelWeights(
  { lossWeighting, diffusion }: Pick<Config, 'lossWeighting' | 'diffusion'>,
  snr: ArrayLike<number>,
): Float64Array {
  const prediction = lossSpaceOf(diffusion);
  return lossWeights(weightRule({ lossWeighting }), { snr, prediction, ...predictionOptions(diffusion) });
}

/**
 * The factor of all loss weights at optimizer step `step` (from 0) that makes their mean 1 under the density of the
 * curriculum, if the configuration asks for it; in continuous time, over the cells.
 */
export function weightScaleAt(
  { config, curriculum, lossWeights: weights, continuous }: WeightedSetup,
  step: number,
  state: ScheduleState | undefined,
): number {
  if (!(config.normalizeLossWeights ?? continuous === undefined) || config.lossWeighting.type === 'constant') return 1;
  return lossWeightScale(weights, curriculum.isImportanceCorrected ? undefined : curriculum.density(step, state));
}

type WeightedSetup = Pick<TrainingSetup, 'config' | 'curriculum' | 'lossWeights' | 'continuous'>;

/** The loss weighting of a configuration, in the form that @dm/curriculum takes. */
export function weightRule({ lossWeighting: { type, ...options } }: Pick<Config, 'lossWeighting'>): LossWeighting {
  return { name: type, ...options };
}

/** Fills in fields that the configuration leaves to the data. */
function withDataShape(config: Config, { shape, classes }: BatchSource): Config {
  const [height, width, channels] = shape;
  const numClasses = config.conditional ? classes.length : 0;
  const learnedVariance = config.diffusion.variance !== null;
  const data = { height, width, channels, numClasses, labelDropout: config.labelDropout, learnedVariance };
  return { ...config, model: fitModel(config.model, data) };
}

/**
 * Checks that the model fits the data.
 *
 * @throws {UserError} if their image shapes or classes differ
 */
function checkFit(denoiser: Denoiser, batches: BatchSource): void {
  const { model, config } = denoiser;
  const { name, shape, classes } = batches;
  if (model.inputShape.join('x') !== shape.join('x')) {
    throw new UserError(
      `The model takes images of ${model.inputShape.join('x')} (height x width x channels), but the images of ${name} are ` +
        `${shape.join('x')}. Change the model, or omit its size and channels, which default to the data's.`,
      { code: 'DATA_MISMATCH' },
    );
  }
  const learnsVariance = config.diffusion.variance !== null;
  const outChannels = learnsVariance ? 2 * shape[2] : shape[2];
  if (model.outChannels !== outChannels) {
    throw new UserError(
      `The model has ${model.outChannels} output channels, but must have ${outChannels}, as the images of ${name}` +
        (learnsVariance
          ? " and their learned variance (diffusion.variance). Omit the model's output channels, which default to that."
          : '. For a learned variance, which needs twice as many, set diffusion.variance=learnedRange.'),
      { code: 'DATA_MISMATCH' },
    );
  }
  if (model.numClasses > 0 && denoiser.classes !== classes.length) {
    throw new UserError(
      `The model is conditioned on ${denoiser.classes} classes; ${name} has ` +
        (classes.length === 0 ? 'no labels.' : `${classes.length}.`),
      { code: 'DATA_MISMATCH' },
    );
  }
}

/**
 * @throws {UserError} if a new training predicts epsilon at SNR 0
 */
function checkPrediction({ config, noiseSchedule }: Denoiser): void {
  if (config.diffusion.prediction.type !== 'epsilon' || !hasZeroTerminalSnr(noiseSchedule)) return;
  throw new UserError(
    'diffusion.prediction is epsilon, but the noise schedule has zero terminal SNR, at which epsilon is the input itself and ' +
      'says nothing about the image: set diffusion.prediction=v, or leave out diffusion.schedule.zeroTerminalSnr.',
    { code: 'CONFIG_INVALID' },
  );
}

function checkParts({ batchSize, gradientAccumulation }: Config, { size }: Group): void {
  const parts = gradientAccumulation * size;
  if (batchSize % parts === 0) return;
  const below = Math.floor(batchSize / parts) * parts;
  const nearest = [...(below > 0 ? [below] : []), below + parts].join(' and ');
  const divisor =
    size === 1
      ? `gradientAccumulation is ${gradientAccumulation}, which does`
      : `${size} ranks times gradientAccumulation ${gradientAccumulation} do`;
  throw new UserError(
    `${divisor} not divide batchSize ${batchSize}: all micro-batches must have the same size. The nearest values of batchSize ` +
      `that can be divided: ${nearest}.`,
    { code: 'CONFIG_INVALID' },
  );
}
