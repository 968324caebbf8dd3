/** A configuration made real: data, model, noise schedule, curriculum, optimizer. */
import { scheduleFromConfig, type NoiseSchedule, type PredictionOptions } from '@dm/core';
import { createSchedule, snrFromAlphasCumprod, weights, type TimestepSchedule } from '@dm/curriculum';
import { openDataset, type Dataset, type Split } from '@dm/data';
import { bufferLayout, parameterLayout, type Model } from '@dm/models';
import type { Engine, FlatLayout } from '@dm/ops';
import type { Optimizer, StepSchedule } from '@dm/optim';
import { createAverages, type Average } from './averages.js';
import type { Config } from '../config/schema.js';
import { environment } from '../machine/environment.js';
import { UserError } from '../errors.js';
import { modelTypes } from '../config/model-types.js';
import { createOptimizer } from './optimizers.js';
import { createUncertainty, type Uncertainty } from './uncertainty.js';

/** What sampling needs. */
export interface Denoiser {
  /** Complete: the model's image size and channels are filled in. */
  readonly config: Config;
  readonly model: Model;
  /** Trained parameters in one vector [P]. */
  readonly layout: FlatLayout;
  /** The model's fixed tables in another; of size 0 for most models. */
  readonly bufferLayout: FlatLayout;
  readonly noiseSchedule: NoiseSchedule;
  /** Classes that may be asked for, the null class not among them; 0 for an unconditional model. */
  readonly classes: number;
  /** The class that stands for none, where the model has one: a column of `cond`. */
  readonly nullClass: number | undefined;
  /** Share of labels that training replaces by it. */
  readonly labelDropout: number;
}

/** What training needs. */
export interface TrainingSetup extends Denoiser {
  readonly dataset: Dataset;
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

/** The data that a configuration names; `split` matters for sets that have both. */
export function openData(
  { data, imageSize, imageChannels, crop, skipBad }: Config,
  split: Split = 'train',
): Promise<Dataset> {
  return openDataset(data, {
    split,
    ...(imageSize !== null && { size: imageSize }),
    channels: imageChannels,
    skipBad,
    ...(crop !== null && { crop }),
  });
}

/** Opens the data and makes all parts. Throws an Error that names what does not fit together. */
export async function openTrainingSetup(chosen: Config): Promise<TrainingSetup> {
  const dataset = await openData(chosen);
  const denoiser = createDenoiser(withDataShape(chosen, dataset));
  const { config, noiseSchedule } = denoiser;
  checkFit(denoiser, dataset);
  checkParts(config);

  const { totalSteps, diffusion } = config;
  const scheduled = createOptimizer(config.optimizer, totalSteps, denoiser.layout);
  const uncertainty = createUncertainty(config, noiseSchedule);
  return {
    ...denoiser,
    dataset,
    curriculum: curriculumOf(config),
    lossWeights: weights(config.weighting, {
      snr: snrFromAlphasCumprod(noiseSchedule.alphasCumprod),
      prediction: diffusion.prediction,
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
  return createSchedule(curriculum.name, { numTimesteps, totalSteps, alphasCumprod }, curriculum.params);
}

/** The part that a checkpoint is sampled with. */
export function createDenoiser(config: Config): Denoiser {
  const model: Model = modelTypes[config.model.type].create(config.model.config);
  return {
    // With the model's defaults written out: a run means the same when they change.
    config: { ...config, model: { ...config.model, config: model.config as Config['model']['config'] } },
    model,
    layout: parameterLayout(model),
    bufferLayout: bufferLayout(model),
    noiseSchedule: createNoiseSchedule(config.diffusion),
    ...labelsOf(config, model),
  };
}

/** A null class is the model's own, or the last of its classes where it has none and labels are to be dropped. */
function labelsOf(
  { labelDropout, model: { type } }: Config,
  model: Model,
): Pick<Denoiser, 'classes' | 'nullClass' | 'labelDropout'> {
  const { numClasses, condDim } = model;
  const own = (model.config as { class_dropout_prob?: number }).class_dropout_prob;
  const rate = labelDropout ?? (numClasses > 0 ? own : undefined) ?? 0;
  if (own !== undefined && numClasses > 0 && rate !== own) {
    throw new UserError(
      `labelDropout is ${rate}, and the model's class_dropout_prob ${own}: leave one of them out, or set both alike.`,
    );
  }
  if (rate > 0 && numClasses === 0) {
    throw new UserError(
      `labelDropout is ${rate}, but the model has no classes whose labels could be dropped: set it to null.`,
    );
  }
  if (condDim > numClasses) return { classes: numClasses, nullClass: numClasses, labelDropout: rate };
  const isLast = !modelTypes[type].hasNullClass && rate > 0;
  const classes = isLast ? numClasses - 1 : numClasses;
  return { classes, nullClass: isLast ? classes : undefined, labelDropout: rate };
}

function createNoiseSchedule(diffusion: Config['diffusion']): NoiseSchedule {
  const { schedule, timesteps, prediction, sigmaData, betas, ...options } = diffusion;
  if (sigmaData !== undefined && prediction !== 'edm') {
    throw new UserError(
      `diffusion.sigmaData is ${sigmaData}, which the prediction edm alone knows, and this one is ${prediction}.`,
    );
  }
  if (schedule !== 'betas') {
    if (betas === undefined) return scheduleFromConfig({ name: schedule, numTimesteps: timesteps, ...options });
    throw new UserError(
      `diffusion.betas are given, and the schedule is ${schedule}: set diffusion.schedule to betas, or leave them out.`,
    );
  }
  if (betas?.length !== timesteps) {
    throw new UserError(
      `The noise schedule betas has ${betas?.length ?? 0} betas for ${timesteps} timesteps: give one each ` +
        `(diffusion.betas), or set diffusion.timesteps to their number.`,
    );
  }
  return scheduleFromConfig({ name: schedule, betas, ...options });
}

/** What the functions of @dm/core want to know of the prediction. */
export function predictionOptions({ sigmaData }: Config['diffusion']): PredictionOptions {
  return sigmaData === undefined ? {} : { sigmaData };
}

/** Fills in what the data says and the configuration leaves out. */
function withDataShape(config: Config, { shape, classes }: Dataset): Config {
  const [height, width, channels] = shape;
  const numClasses = config.conditional ? classes.length : 0;
  const fromData = modelTypes[config.model.type].fromData({
    height,
    width,
    channels,
    numClasses,
    labelDropout: config.labelDropout,
  });
  return { ...config, model: { ...config.model, config: { ...fromData, ...config.model.config } } };
}

/** Throws a UserError where model and data have different images or classes. */
function checkFit(denoiser: Denoiser, dataset: Dataset): void {
  const { model } = denoiser;
  const { name, shape, classes } = dataset;
  if (model.inputShape.join('x') !== shape.join('x')) {
    throw new UserError(
      `The model takes images of ${model.inputShape.join('x')} (height x width x channels), but those of ${name} are ` +
        `${shape.join('x')}. Change model.config, or leave size and channels out so that they follow the data.`,
    );
  }
  if (model.outChannels !== shape[2]) {
    throw new UserError(
      `The model puts out ${model.outChannels} channels and must put out ${shape[2]}, as many as the images of ${name} ` +
        'have; a learned variance cannot be trained yet.',
    );
  }
  if (model.numClasses > 0 && denoiser.classes !== classes.length) {
    throw new UserError(
      `The model is conditioned on ${denoiser.classes} classes; ${name} has ` +
        (classes.length === 0 ? 'no labels.' : `${classes.length}.`),
    );
  }
}

function checkParts({ batchSize, accumulate }: Config): void {
  if (batchSize % accumulate === 0) return;
  throw new UserError(
    `accumulate is ${accumulate}, which does not divide batchSize ${batchSize}: the parts of a batch must be equal.`,
  );
}

/** The configuration with what the run found out, for config.json. */
export function record(setup: TrainingSetup, engine: Engine, dataSha256: string): Config {
  const { dataset, layout } = setup;
  return {
    ...setup.config,
    recorded: {
      environment: environment(),
      engine: { name: engine.name, info: { ...engine.info } },
      data: { name: dataset.name, images: dataset.length, shape: [...dataset.shape], sha256: dataSha256 },
      parameters: layout.size,
    },
  };
}
