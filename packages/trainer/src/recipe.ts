/** A configuration made real: data, model, noise schedule, curriculum, optimizer. */
import { scheduleFromConfig, type NoiseSchedule } from '@dm/core';
import { createSchedule, snrFromAlphasCumprod, weights, type TimestepSchedule } from '@dm/curriculum';
import { openDataset, type Dataset, type Split } from '@dm/data';
import { bufferLayout, parameterLayout, type Model } from '@dm/models';
import type { Engine, FlatLayout } from '@dm/ops';
import { adamW, momentumDecay, powerEma, withWarmup, type Ema, type Optimizer } from '@dm/optim';
import type { Config } from './config.js';
import { environment } from './environment.js';
import { UserError } from './errors.js';
import { modelTypes } from './model-types.js';

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
}

/** What training needs. */
export interface Recipe extends Denoiser {
  readonly dataset: Dataset;
  readonly curriculum: TimestepSchedule;
  /** Weight of the loss at each timestep, [T]. */
  readonly levelWeights: Float64Array;
  readonly optimizer: Optimizer;
  readonly ema: Ema;
}

/** The data that a configuration names; `split` matters for sets that have both. */
export function openData({ data, imageSize, imageChannels }: Config, split: Split = 'train'): Promise<Dataset> {
  return openDataset(data, { split, ...(imageSize !== null && { size: imageSize }), channels: imageChannels });
}

/** Opens the data and makes all parts. Throws an Error that names what does not fit together. */
export async function openRecipe(chosen: Config): Promise<Recipe> {
  const dataset = await openData(chosen);
  const denoiser = createDenoiser(withDataShape(chosen, dataset));
  const { config, model, noiseSchedule } = denoiser;
  checkFit(model, dataset);
  checkParts(config);

  const { alphasCumprod, numTimesteps } = noiseSchedule;
  const { totalSteps, optimizer, diffusion, curriculum } = config;
  return {
    ...denoiser,
    dataset,
    curriculum: createSchedule(curriculum.name, { numTimesteps, totalSteps, alphasCumprod }, curriculum.params),
    levelWeights: weights(config.weighting, {
      snr: snrFromAlphasCumprod(alphasCumprod),
      prediction: diffusion.prediction,
    }),
    optimizer: createOptimizer(optimizer, totalSteps),
    ema: powerEma({ maxDecay: config.ema.decay, power: config.ema.power }),
  };
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
  };
}

function createNoiseSchedule(diffusion: Config['diffusion']): NoiseSchedule {
  const { schedule, timesteps, prediction: _prediction, ...options } = diffusion;
  return scheduleFromConfig({ name: schedule, numTimesteps: timesteps, ...options });
}

/** Fills in what the data says and the configuration leaves out. */
function withDataShape(config: Config, { shape, classes }: Dataset): Config {
  const [height, width, channels] = shape;
  const numClasses = config.conditional ? classes.length : 0;
  const fromData = modelTypes[config.model.type].fromData({ height, width, channels, numClasses });
  return { ...config, model: { ...config.model, config: { ...fromData, ...config.model.config } } };
}

/** Throws a UserError where model and data have different images or classes. */
function checkFit(model: Model, dataset: Dataset): void {
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
  if (model.numClasses > 0 && model.numClasses !== classes.length) {
    throw new UserError(
      `The model is conditioned on ${model.numClasses} classes; ${name} has ` +
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

function createOptimizer(options: Config['optimizer'], totalSteps: number): Optimizer {
  const { betas, eps, weightDecay, compensate, warmup } = options;
  const [b0, beta2] = betas;
  const lr = withWarmup(options.lr, warmup);
  // Momentum that is 0 from the start has nothing to lose.
  const schedules =
    options.momentumDecay && b0 > 0 ? momentumDecay({ lr, totalSteps, b0, compensate }) : { lr, beta1: b0 };
  return adamW({ ...schedules, beta2, eps, weightDecay });
}

/** The configuration with what the run found out, for config.json. */
export function record(recipe: Recipe, engine: Engine, dataSha256: string): Config {
  const { dataset, layout } = recipe;
  return {
    ...recipe.config,
    recorded: {
      environment: environment(),
      engine: { name: engine.name, info: { ...engine.info } },
      data: { name: dataset.name, images: dataset.length, shape: [...dataset.shape], sha256: dataSha256 },
      parameters: layout.size,
    },
  };
}
