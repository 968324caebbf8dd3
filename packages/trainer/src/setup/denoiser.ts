/** The network with its noise schedule and its labels: what sampling needs, and training builds on. */
import {
  noiseScheduleFromConfig,
  type NoiseSchedule,
  type PredictionOptions,
  type NoiseScheduleConfig,
} from '@dm/core';
import { bufferLayout, parameterLayout, type Model } from '@dm/models';
import type { FlatLayout } from '@dm/ops';
import type { Config } from '../config/schema.js';
import { UserError } from '../errors.js';
import { modelTypes } from '../config/model-types.js';

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

/** The part that a checkpoint is sampled with. */
export function createDenoiser(config: Config): Denoiser {
  const { type, ...options } = config.model;
  const model: Model = modelTypes[type].create(options);
  return {
    // With the model's defaults written out: a run means the same when they change.
    config: { ...config, model: { ...(model.config as Config['model']), type } },
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
      { code: 'CONFIG_INVALID' },
    );
  }
  if (rate > 0 && numClasses === 0) {
    throw new UserError(
      `labelDropout is ${rate}, but the model has no classes whose labels could be dropped: set it to null.`,
      { code: 'CONFIG_INVALID' },
    );
  }
  if (condDim > numClasses) return { classes: numClasses, nullClass: numClasses, labelDropout: rate };
  const isLast = !modelTypes[type].hasNullClass && rate > 0;
  const classes = isLast ? numClasses - 1 : numClasses;
  return { classes, nullClass: isLast ? classes : undefined, labelDropout: rate };
}

/** The noise schedule of a configuration. */
export function createNoiseSchedule(diffusion: Config['diffusion']): NoiseSchedule {
  const { schedule, timesteps } = diffusion;
  const { type: name, ...options } = schedule;
  if (schedule.type !== 'betas') {
    return noiseScheduleFromConfig({ name, numTimesteps: timesteps, ...options } as NoiseScheduleConfig);
  }
  if (schedule.betas.length !== timesteps) {
    throw new UserError(
      `The noise schedule betas has ${schedule.betas.length} betas for ${timesteps} timesteps: give one each ` +
        `(diffusion.schedule.betas), or set diffusion.timesteps to their number.`,
      { code: 'CONFIG_INVALID' },
    );
  }
  return noiseScheduleFromConfig({ name, ...options } as NoiseScheduleConfig);
}

/** Whether the last timestep is pure noise. */
export function hasZeroTerminalSnr({ alphasCumprod, numTimesteps }: NoiseSchedule): boolean {
  return alphasCumprod[numTimesteps - 1] === 0;
}

/** What the functions of @dm/core want to know of the prediction. */
export function predictionOptions({ prediction }: Config['diffusion']): PredictionOptions {
  return prediction.type !== 'edm' || prediction.sigmaData === undefined ? {} : { sigmaData: prediction.sigmaData };
}
