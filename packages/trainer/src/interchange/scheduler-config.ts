/** Between `diffusion` of a configuration and diffusers' `scheduler_config.json`. */
import type { Config } from '../config/schema.js';
import { problemLines, UserError } from '../errors.js';
import { suggestion } from '../config/suggestion.js';

type Diffusion = Config['diffusion'];
type ScheduleType = Diffusion['schedule']['type'];
type Fields = Readonly<Record<string, unknown>>;

/** The fields of all noise schedules. */
interface ScheduleFields {
  readonly type: ScheduleType;
  readonly betaStart?: number;
  readonly betaEnd?: number;
  readonly betas?: readonly number[];
  readonly zeroTerminalSnr?: boolean;
}

type KeyOfAny<T> = T extends unknown ? keyof T : never;

/** diffusers' name and range of betas for each of ours; the cosine's betas come from no range. */
const betaSchedules: Readonly<
  Record<Exclude<ScheduleType, 'betas'>, { readonly name: string; readonly start: number; readonly end: number }>
> = {
  linear: { name: 'linear', start: 1e-4, end: 0.02 },
  'scaled-linear': { name: 'scaled_linear', start: 0.00085, end: 0.012 },
  cosine: { name: 'squaredcos_cap_v2', start: 1e-4, end: 0.02 },
  sigmoid: { name: 'sigmoid', start: 1e-4, end: 0.02 },
};

const predictionTypes: Readonly<Record<Exclude<Diffusion['prediction']['type'], 'edm'>, string>> = {
  epsilon: 'epsilon',
  x0: 'sample',
  v: 'v_prediction',
};

/** The class that an exported folder names: it and DDIMScheduler read the same file. */
export const exportedScheduler = 'DDPMScheduler';

/** What this package's sampling does at a step, in the words of diffusers' DDPM and DDIM schedulers. */
const samplingFields = {
  clip_sample: true,
  clip_sample_range: 1,
  dynamic_thresholding_ratio: 0.995,
  sample_max_value: 1,
  steps_offset: 0,
  thresholding: false,
  timestep_spacing: 'leading',
} as const;

/** Fields of one of the two classes alone. */
const ownFields: Readonly<Record<string, Fields>> = {
  DDPMScheduler: { variance_type: 'fixed_small' },
  DDIMScheduler: { set_alpha_to_one: true },
};

/** diffusers' defaults of the fields that say what the model was trained with. */
const trainingFields = {
  num_train_timesteps: 1000,
  beta_start: 1e-4,
  beta_end: 0.02,
  beta_schedule: 'linear',
  trained_betas: null,
  prediction_type: 'epsilon',
  rescale_betas_zero_snr: false,
} as const;

/**
 * The fields of diffusers' DDPMScheduler under which it samples as this package does: timesteps, prediction, clipping
 * of x_0 to [-1, 1].
 * @throws {UserError} on the prediction edm, which those schedulers do not have
 */
export function schedulerFields(diffusion: Diffusion): Fields {
  const { schedule, timesteps, prediction, ...others } = diffusion;
  const { type, betaStart, betaEnd, betas, zeroTerminalSnr = false }: ScheduleFields = schedule;
  // These fail to compile when the configuration gets a new field: it must find its place here, or be refused.
  others satisfies Record<string, never>;
  true satisfies [Exclude<KeyOfAny<Diffusion['schedule']>, keyof ScheduleFields>] extends [never] ? true : never;
  if (prediction.type === 'edm') {
    throw new UserError(
      "The prediction edm cannot be exported to diffusers: its DDPMScheduler and DDIMScheduler do not scale the network's " +
        'input, as c_in of EDM does. The formats onnx and safetensors take it.',
      { code: 'PIPELINE_UNSUPPORTED' },
    );
  }
  // diffusers reads trained_betas before it looks at the others.
  const { name, start, end } = betaSchedules[type === 'betas' ? 'linear' : type];
  return {
    ...trainingFields,
    ...samplingFields,
    ...ownFields[exportedScheduler],
    num_train_timesteps: timesteps,
    beta_schedule: name,
    beta_start: betaStart ?? start,
    beta_end: betaEnd ?? end,
    trained_betas: betas ?? null,
    prediction_type: predictionTypes[prediction.type],
    rescale_betas_zero_snr: zeroTerminalSnr,
  };
}

export interface ReadScheduler {
  readonly diffusion: Diffusion;
  /** What diffusers would do in sampling, by this file, and this package does not. */
  readonly notes: readonly string[];
}

/**
 * The other way round, for DDPMScheduler and DDIMScheduler. Throws a UserError that names another class, each field that
 * those do not have, and each value that there is nothing for here.
 */
export function readScheduler(fields: Fields, source: string): ReadScheduler {
  const className = String(fields['_class_name']);
  if (!Object.hasOwn(ownFields, className)) {
    throw new UserError(
      `${source}: the scheduler is ${className}; ${Object.keys(ownFields).join(' and ')} can be read. In Python, ` +
        'DDPMScheduler.from_config(pipeline.scheduler.config) makes the one of the other.',
      { code: 'PIPELINE_UNSUPPORTED' },
    );
  }
  const sampling: Fields = { ...samplingFields, ...ownFields[className] };
  const known = [...Object.keys(trainingFields), ...Object.keys(sampling)];
  const unknown = Object.keys(fields).filter((key) => !key.startsWith('_') && !known.includes(key));
  if (unknown.length > 0) {
    const lines = problemLines(
      unknown,
      (key) => `${source}: unknown field "${key}" of ${className}. ${suggestion(key, known)}`,
    );
    throw new UserError(lines, { code: 'PIPELINE_UNSUPPORTED' });
  }
  const given: Fields = { ...trainingFields, ...fields };
  const zeroTerminalSnr = given['rescale_betas_zero_snr'];
  if (typeof zeroTerminalSnr !== 'boolean') {
    throw refused(source, 'rescale_betas_zero_snr', zeroTerminalSnr, 'true or false');
  }
  const diffusion: Diffusion = {
    schedule: { ...readBetas(given, source), ...(zeroTerminalSnr && { zeroTerminalSnr }) },
    timesteps: numberOf(given, 'num_train_timesteps', source),
    prediction: {
      type: keyOf(
        given['prediction_type'],
        Object.entries(predictionTypes),
        `${source}: prediction_type`,
      ) as keyof typeof predictionTypes,
    },
  };
  const notes = Object.entries(sampling).flatMap(([key, ours]) => {
    const theirs = fields[key] ?? ours;
    if (theirs === ours || (key in withoutEffect && fields[withoutEffect[key]!] !== true)) return [];
    return [`${key} is ${JSON.stringify(theirs)} in ${source}; dm samples with ${JSON.stringify(ours)}`];
  });
  return { diffusion, notes };
}

/** Fields that act only where another one is true. */
const withoutEffect: Readonly<Record<string, string>> = {
  dynamic_thresholding_ratio: 'thresholding',
  sample_max_value: 'thresholding',
};

/** The betas themselves where the file has them, else the schedule by its name. */
function readBetas(given: Fields, source: string): Diffusion['schedule'] {
  const betas = given['trained_betas'];
  if (betas !== null) {
    const timesteps = given['num_train_timesteps'];
    if (!Array.isArray(betas) || betas.length !== timesteps || !betas.every((b) => typeof b === 'number')) {
      throw refused(source, 'trained_betas', betas, `null, or one number for each of ${String(timesteps)} timesteps`);
    }
    return { type: 'betas', betas };
  }
  const type = keyOf(
    given['beta_schedule'],
    Object.entries(betaSchedules).map(([key, { name }]) => [key, name]),
    `${source}: beta_schedule`,
  ) as keyof typeof betaSchedules;
  return type === 'cosine' ? { type } : { type, ...betaRange(given, type, source) };
}

/** The betas' ends where they are not ours. */
function betaRange(
  given: Fields,
  type: keyof typeof betaSchedules,
  source: string,
): { readonly betaStart?: number; readonly betaEnd?: number } {
  const [betaStart, betaEnd] = [numberOf(given, 'beta_start', source), numberOf(given, 'beta_end', source)];
  const { start, end } = betaSchedules[type];
  return betaStart === start && betaEnd === end ? {} : { betaStart, betaEnd };
}

function numberOf(fields: Fields, key: string, source: string): number {
  const value = fields[key];
  if (typeof value !== 'number') throw refused(source, key, value, 'a number');
  return value;
}

/** The first of the pair whose second is `value`. */
function keyOf(value: unknown, pairs: readonly (readonly [string, string])[], field: string): string {
  const pair = pairs.find(([, theirs]) => theirs === value);
  if (pair !== undefined) return pair[0];
  throw new UserError(`${field} is ${JSON.stringify(value)}; ${pairs.map(([, p]) => p).join(', ')} can be read.`, {
    code: 'PIPELINE_UNSUPPORTED',
  });
}

function refused(source: string, field: string, value: unknown, right: string): UserError {
  const text = JSON.stringify(value) ?? 'nothing';
  const short = text.length > 60 ? `${text.slice(0, 60)}...` : text;
  return new UserError(`${source}: ${field} must be ${right}, got ${short}.`, { code: 'PIPELINE_UNSUPPORTED' });
}
