/** A configuration made real: model, noise schedule, curriculum, optimizer, averages; batches come from a `BatchSource`. */
import {
  createTimestepSchedule,
  snrFromAlphasCumprod,
  lossWeights,
  type TimestepSchedule,
  type LossWeighting,
} from '@dm/curriculum';
import type { Optimizer, StepSchedule } from '@dm/optim';
import { createAverages, type Average } from './averages.js';
import type { Config } from '../config/schema.js';
import {
  createDenoiser,
  createNoiseSchedule,
  hasZeroTerminalSnr,
  predictionOptions,
  type Denoiser,
} from './denoiser.js';
import { UserError } from '../errors.js';
import { fitModel } from '../config/model-types.js';
import { createOptimizer } from './optimizers.js';
import { createUncertainty, type Uncertainty } from './uncertainty.js';

/** Images of one batch and their classes. */
export interface SourceBatch {
  /** [batchSize, H, W, C] in [-1, 1]. */
  readonly images: Float32Array;
  /** Class of each image, [batchSize]; absent if the data has no labels. */
  readonly labels?: Int32Array;
}

/** Which batch is asked for: a source answers the same request with the same batch. */
export interface BatchRequest {
  readonly seed: number;
  /** Optimizer step, from 0. */
  readonly step: number;
  readonly batchSize: number;
  /** Mirrors images horizontally at random. */
  readonly flip: boolean;
}

/** Where training images come from: files on Node (`batchSource`), anything in a browser. */
export interface BatchSource {
  /** For messages. */
  readonly name: string;
  /** [H, W, C] of one image. */
  readonly shape: readonly [number, number, number];
  /** Names of the classes; empty if the data has no labels. */
  readonly classes: readonly string[];
  read(this: void, request: BatchRequest): Promise<SourceBatch>;
}

/** What training needs. */
export interface TrainingSetup extends Denoiser {
  readonly batches: BatchSource;
  readonly curriculum: TimestepSchedule;
  /** Weight of the loss at each timestep, [T]. */
  readonly lossWeights: Float64Array;
  /** A head in the loss, where one is asked for. */
  readonly uncertainty?: Uncertainty;
  readonly optimizer: Optimizer;
  /** Learning rate and momentum (beta1) at each step. */
  readonly lr: StepSchedule;
  readonly momentum: StepSchedule;
  /** Of the weights; the first is sampled while training. */
  readonly averages: readonly Average[];
}

/**
 * Creates all parts of a training on images of `batches`; what the data determines is filled in. `isResumed`: the
 * training exists, and is not refused for what only new ones must not do.
 *
 * @throws {UserError} if parts do not fit together
 */
export function createTrainingSetup(chosen: Config, batches: BatchSource, isResumed = false): TrainingSetup {
  const denoiser = createDenoiser(withDataShape(chosen, batches));
  const { config, noiseSchedule } = denoiser;
  checkFit(denoiser, batches);
  checkParts(config);
  if (!isResumed) checkPrediction(denoiser);

  const { totalSteps, diffusion } = config;
  const scheduled = createOptimizer(config.optimizer, totalSteps, denoiser.layout);
  const uncertainty = createUncertainty(config, noiseSchedule);
  return {
    ...denoiser,
    batches,
    curriculum: curriculumOf(config),
    lossWeights: lossWeights(weightRule(config), {
      snr: snrFromAlphasCumprod(noiseSchedule.alphasCumprod),
      prediction: diffusion.prediction.type,
      ...predictionOptions(diffusion),
    }),
    ...(uncertainty !== undefined && { uncertainty }),
    ...scheduled,
    averages: createAverages(config, scheduled.optimizer),
  };
}

/** The timestep schedule of a configuration. */
export function curriculumOf({ curriculum, totalSteps, diffusion }: Config): TimestepSchedule {
  const { numTimesteps, alphasCumprod } = createNoiseSchedule(diffusion);
  const { type, ...options } = curriculum;
  return createTimestepSchedule(type, { numTimesteps, totalSteps, alphasCumprod }, options);
}

/** The loss weighting of a configuration, as @dm/curriculum names it. */
function weightRule({ lossWeighting: { type, ...options } }: Pick<Config, 'lossWeighting'>): LossWeighting {
  return { name: type, ...options };
}

/** Fills in what the data says and the configuration leaves out. */
function withDataShape(config: Config, { shape, classes }: BatchSource): Config {
  const [height, width, channels] = shape;
  const numClasses = config.conditional ? classes.length : 0;
  const data = { height, width, channels, numClasses, labelDropout: config.labelDropout };
  return { ...config, model: fitModel(config.model, data) };
}

/**
 * @throws {UserError} if model and data have different images or classes
 */
function checkFit(denoiser: Denoiser, batches: BatchSource): void {
  const { model } = denoiser;
  const { name, shape, classes } = batches;
  if (model.inputShape.join('x') !== shape.join('x')) {
    throw new UserError(
      `The model takes images of ${model.inputShape.join('x')} (height x width x channels), but those of ${name} are ` +
        `${shape.join('x')}. Change the model's, or leave size and channels out so that they follow the data.`,
      { code: 'DATA_MISMATCH' },
    );
  }
  if (model.outChannels !== shape[2]) {
    throw new UserError(
      `The model puts out ${model.outChannels} channels and must put out ${shape[2]}, as many as the images of ${name} ` +
        'have; a learned variance cannot be trained yet.',
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
    'diffusion.prediction is epsilon, but the noise schedule has zero terminal SNR, where epsilon is the input itself and ' +
      'says nothing about the image: set diffusion.prediction=v, or leave out diffusion.schedule.zeroTerminalSnr.',
    { code: 'CONFIG_INVALID' },
  );
}

function checkParts({ batchSize, gradientAccumulation }: Config): void {
  if (batchSize % gradientAccumulation === 0) return;
  throw new UserError(
    `gradientAccumulation is ${gradientAccumulation}, which does not divide batchSize ${batchSize}: the parts of a batch must be equal.`,
    { code: 'CONFIG_INVALID' },
  );
}
