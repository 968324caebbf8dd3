/** The network, its noise schedule and its class labels: the part of the setup that sampling needs. */
import type { NoiseSchedule, Prediction, PredictionOptions } from '@dm/core';
import { bufferLayout, type DiscreteScheduleConfig, discreteSchedule, parameterLayout, type Model } from '@dm/models';
import type { FlatLayout } from '@dm/ops';
import type { Config } from '../config/schema.js';
import { UserError } from '../errors.js';
import { createModel, modelTypes, type CreateModel } from '../config/model-types.js';
import { checkObjective } from './check-objective.js';
import { cellSchedule, continuousProcess, type NoiseProcess } from './noise-process.js';

/** The objects that sampling needs. */
export interface Denoiser extends NoiseProcess {
  /** Complete configuration, including the model's image size and channels. */
  readonly config: Config;
  readonly model: Model;
  /** Layout of the trained parameters in one vector [P]. */
  readonly layout: FlatLayout;
  /** Layout of the model's fixed tables (buffers) in a second vector; of size 0 for most models. */
  readonly bufferLayout: FlatLayout;
  /** Number of classes, excluding the null class; 0 for an unconditional model. */
  readonly classes: number;
  /** Index of the null class in `cond`, if the model has one. */
  readonly nullClass: number | undefined;
  /** Fraction of labels that training replaces by the null class. */
  readonly labelDropout: number;
}

/**
 * Creates the denoiser of a configuration. `create` makes the model; default: of the types that pages contain.
 *
 * @throws {UserError} if its parts contradict each other
 */
export function createDenoiser(config: Config, create: CreateModel = createModel): Denoiser {
  checkObjective(config);
  const { type } = config.model;
  const continuous = continuousProcess(config.diffusion);
  const model: Model = create(config.model);
  return {
    // Includes the model's defaults, so that a run keeps its meaning when they change.
    config: { ...config, model: { ...(model.config as object), type } },
    model,
    layout: parameterLayout(model),
    bufferLayout: bufferLayout(model),
    noiseSchedule: createNoiseSchedule(config.diffusion),
    ...(continuous !== undefined && { continuous }),
    ...labelsOf(config, model),
  };
}

/** The null class is the model's own, or its last class if it has none and labels are dropped. */
function labelsOf(
  { labelDropout, model: { type }, sampler }: Config,
  model: Model,
): Pick<Denoiser, 'classes' | 'nullClass' | 'labelDropout'> {
  const { numClasses, condDim } = model;
  const names = ['class_dropout_prob', 'label_dropout'] as const;
  const field = names.find((name) => Object.hasOwn(model.config as object, name));
  const own = field && (model.config as { readonly [name in typeof field]: number })[field];
  const rate = labelDropout ?? (numClasses > 0 ? own : undefined) ?? 0;
  if (own !== undefined && numClasses > 0 && rate !== own) {
    throw new UserError(
      `labelDropout is ${rate}, but the model's ${field} is ${own}: omit one of them, or set both to the same value.`,
      { code: 'CONFIG_INVALID' },
    );
  }
  if (rate > 0 && numClasses === 0) {
    const guidance = sampler.guidance === 1 ? '' : ', and sampler.guidance to 1';
    throw new UserError(`labelDropout is ${rate}, but the model has no classes: set labelDropout to null${guidance}.`, {
      code: 'CONFIG_INVALID',
    });
  }
  if (condDim > numClasses) return { classes: numClasses, nullClass: numClasses, labelDropout: rate };
  const isLast = !modelTypes[type].hasNullClass && rate > 0;
  const classes = isLast ? numClasses - 1 : numClasses;
  return { classes, nullClass: isLast ? classes : undefined, labelDropout: rate };
}

/** The noise schedule of a configuration; in continuous time, the cells that curricula and logs divide the levels into. */
export function createNoiseSchedule(diffusion: Config['diffusion']): NoiseSchedule {
  const { schedule, timesteps } = diffusion;
  const continuous = continuousProcess(diffusion);
  if (continuous !== undefined) return cellSchedule(continuous, schedule.type, timesteps);
  if (schedule.type === 'betas' && schedule.betas.length !== timesteps) {
    throw new UserError(
      `The noise schedule has ${schedule.betas.length} betas for ${timesteps} timesteps: give one beta per timestep ` +
        `(diffusion.schedule.betas), or set diffusion.timesteps to the number of betas.`,
      { code: 'CONFIG_INVALID' },
    );
  }
  return discreteSchedule(schedule as DiscreteScheduleConfig, timesteps);
}

/** The prediction, and the quantity whose error is the loss, as options of functions of @dm/core. */
export function predictionOptions({ prediction, loss }: Config['diffusion']): PredictionOptions {
  const ofEdm = [prediction, loss].find((part) => part?.type === 'edm');
  const sigmaData = ofEdm?.type === 'edm' ? ofEdm.sigmaData : undefined;
  return sigmaData === undefined ? {} : { sigmaData };
}

/** The quantity whose squared error is the loss. */
export function lossSpaceOf({ prediction, loss }: Config['diffusion']): Prediction {
  return loss?.type ?? prediction.type;
}
