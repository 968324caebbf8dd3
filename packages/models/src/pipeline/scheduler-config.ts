/** Conversion between noise schedule, prediction, and sampler, and the `scheduler_config.json` of diffusers. */
import {
  type ContinuousScheduleConfig,
  defaultSpacing,
  dynamicFlowShift,
  edmRange,
  spacings,
  type Spacing,
} from '@dm/core';
import {
  type DiffusionConfig,
  type DiscreteScheduleConfig,
  discreteSchedule,
  mostTimesteps,
  predictionOptionsOf,
  type SamplingConfig,
} from './diffusion-config.js';
import { PipelineError } from './pipeline-error.js';

/** The discrete noise schedules. */
type ScheduleType = DiscreteScheduleConfig['type'];
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

/** The name and beta range in diffusers of each noise schedule; the cosine schedule has no beta range. */
const betaSchedules: Readonly<
  Record<Exclude<ScheduleType, 'betas'>, { readonly name: string; readonly start: number; readonly end: number }>
> = {
  linear: { name: 'linear', start: 1e-4, end: 0.02 },
  'scaled-linear': { name: 'scaled_linear', start: 0.00085, end: 0.012 },
  cosine: { name: 'squaredcos_cap_v2', start: 1e-4, end: 0.02 },
  sigmoid: { name: 'sigmoid', start: 1e-4, end: 0.02 },
};

const predictionTypes: Readonly<Record<Exclude<DiffusionConfig['prediction']['type'], 'edm' | 'flow'>, string>> = {
  epsilon: 'epsilon',
  x0: 'sample',
  v: 'v_prediction',
};

/** Scheduler classes of diffusers for discrete schedules. */
type DiscreteClass = 'DDPMScheduler' | 'DDIMScheduler';
/** Scheduler classes of diffusers for continuous time. */
type ContinuousClass = 'FlowMatchEulerDiscreteScheduler' | 'EDMEulerScheduler';

/** Defaults in diffusers of the sampling fields that both classes have. */
const samplingFields = {
  clip_sample: true,
  clip_sample_range: 1,
  dynamic_thresholding_ratio: 0.995,
  sample_max_value: 1,
  steps_offset: 0,
  thresholding: false,
  timestep_spacing: 'leading',
} as const;

/** Defaults in diffusers of the fields that only one of the two classes has. */
const ownFields = {
  DDPMScheduler: { variance_type: 'fixed_small' },
  DDIMScheduler: { set_alpha_to_one: true },
} as const satisfies Readonly<Record<DiscreteClass, Fields>>;

/** Supported variance types. With `fixed_large_log` diffusers produces no images, and `learned` needs another model. */
const varianceTypes = {
  fixed_small: 'fixedSmall',
  fixed_small_log: 'fixedSmall',
  fixed_large: 'fixedLarge',
  learned_range: 'learnedRange',
} as const;

/** Defaults in diffusers of the fields that describe training. */
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
 * Defaults in diffusers of the fields of the classes for continuous time. Only those in `continuousFields` may have other
 * values.
 */
const continuousDefaults = {
  FlowMatchEulerDiscreteScheduler: {
    num_train_timesteps: 1000,
    shift: 1,
    use_dynamic_shifting: false,
    base_shift: 0.5,
    max_shift: 1.15,
    base_image_seq_len: 256,
    max_image_seq_len: 4096,
    invert_sigmas: false,
    shift_terminal: null,
    use_karras_sigmas: false,
    use_exponential_sigmas: false,
    use_beta_sigmas: false,
    time_shift_type: 'exponential',
    stochastic_sampling: false,
  },
  EDMEulerScheduler: {
    sigma_min: edmRange.sigmaMin,
    sigma_max: edmRange.sigmaMax,
    sigma_data: 0.5,
    sigma_schedule: 'karras',
    rho: 7,
    num_train_timesteps: 1000,
    prediction_type: 'epsilon',
    final_sigmas_type: 'zero',
  },
} as const satisfies Readonly<Record<ContinuousClass, Fields>>;

/** The fields of those classes that may differ from their defaults, and those that have no effect. */
const continuousFields: Readonly<Record<ContinuousClass, readonly string[]>> = {
  FlowMatchEulerDiscreteScheduler: [
    'num_train_timesteps',
    'shift',
    'base_shift',
    'max_shift',
    'base_image_seq_len',
    'max_image_seq_len',
    'time_shift_type',
  ],
  EDMEulerScheduler: ['sigma_min', 'sigma_max', 'sigma_data', 'rho', 'num_train_timesteps'],
};

export interface WrittenScheduler {
  readonly className: DiscreteClass | ContinuousClass;
  readonly fields: Fields;
  /** Differences between the run's sampling and the sampling of diffusers with these fields. */
  readonly notes: readonly string[];
}

/**
 * The diffusers scheduler that samples like a run: DDIMScheduler for the sampler ddim, otherwise DDPMScheduler; in
 * continuous time FlowMatchEulerDiscreteScheduler or EDMEulerScheduler.
 *
 * @throws {PipelineError} if diffusers has no scheduler for the noise schedule and the prediction
 */
export function writeScheduler(diffusion: DiffusionConfig, sampler: SamplingConfig): WrittenScheduler {
  const { schedule: given, variance: learned } = diffusion;
  if (given.type === 'flow') return writeFlow(given, diffusion, sampler);
  if (given.type === 'edm') return writeEdm(given, diffusion, sampler);
  // DDIMScheduler has no sigmoid schedule, and does not take a learned variance.
  const className =
    sampler.type === 'ddim' && given.type !== 'sigmoid' && learned === null ? 'DDIMScheduler' : 'DDPMScheduler';
  const { path, clipping } = sampler;
  const schedule = discreteSchedule(given, diffusion.timesteps);
  const discrete = path.type === 'discrete' ? path : undefined;
  const spacing = discrete?.spacing ?? defaultSpacing(schedule);
  const ends = { clean: true, first: false };
  const ofSampler = sampler.type === 'ddpm' ? sampler.variance : undefined;
  // Without it DDPMScheduler would take all 2C channels for the prediction.
  const variance = learned === null ? ofSampler : learned.type;
  const fields = {
    ...trainingFieldsOf(given, diffusion),
    clip_sample: clipping?.type === 'range',
    clip_sample_range: clipping?.type === 'range' ? (clipping.max ?? 1) : 1,
    thresholding: clipping?.type === 'threshold',
    dynamic_thresholding_ratio: clipping?.type === 'threshold' ? (clipping.quantile ?? 0.995) : 0.995,
    sample_max_value: clipping?.type === 'threshold' ? (clipping.max ?? 1) : 1,
    steps_offset: discrete?.stepsOffset ?? 0,
    timestep_spacing: writtenSpacing(spacing),
    ...(className === 'DDIMScheduler'
      ? { set_alpha_to_one: ends[path.final ?? 'clean'] }
      : { variance_type: keyOf(variance ?? 'fixedSmall', Object.entries(varianceTypes), 'sampler.variance') }),
  };
  return { className, fields, notes: differences(sampler, className, spacing, diffusion.timesteps) };
}

/** The note for a sampler other than the scheduler's, Euler's method. */
function otherSampler({ type, clipping }: SamplingConfig, className: ContinuousClass): readonly string[] {
  return [
    ...(type === 'euler' ? [] : [`the run samples with ${type}, ${className} with Euler's method`]),
    ...(clipping === null ? [] : [`the run clips x_0 while it samples (sampler.clipping), ${className} does not`]),
  ];
}

/** Rectified flow: the model receives the time times `num_train_timesteps`. */
function writeFlow(
  { shift = 1, timeScale = 1000 }: Extract<ContinuousScheduleConfig, { readonly type: 'flow' }>,
  { prediction }: DiffusionConfig,
  sampler: SamplingConfig,
): WrittenScheduler {
  const className = 'FlowMatchEulerDiscreteScheduler';
  if (prediction.type !== 'flow') {
    throw new PipelineError(
      `The prediction ${prediction.type} of a rectified flow cannot be exported to diffusers: its ${className} takes the ` +
        'velocity only. Use the format onnx or safetensors, or train diffusion.prediction=flow.',
    );
  }
  if (!Number.isInteger(timeScale)) {
    throw new PipelineError(
      `diffusion.schedule.timeScale ${timeScale} cannot be exported to diffusers: the num_train_timesteps of its ` +
        `${className} is an integer. Use the format onnx or safetensors.`,
    );
  }
  const { path, steps } = sampler;
  const { shift: ofPath, dynamicShift, spacing = 'even' } = path.type === 'flow' ? path : {};
  return {
    className,
    fields: {
      num_train_timesteps: timeScale,
      shift: dynamicShift === undefined ? (ofPath ?? shift) : dynamicFlowShift(dynamicShift),
    },
    notes: [
      ...otherSampler(sampler, className),
      ...(spacing === 'even'
        ? [
            `${className} spaces its times from 1 to 1 / ${timeScale}; for the run's call ` +
              `scheduler.set_timesteps(sigmas=numpy.linspace(1, 1 / ${steps}, ${steps}))`,
          ]
        : []),
    ],
  };
}

/** EDM: the model receives ln(sigma) / 4, and its input is scaled by `scale_model_input`. */
function writeEdm(
  {
    sigmaMin = edmRange.sigmaMin,
    sigmaMax = edmRange.sigmaMax,
  }: Extract<ContinuousScheduleConfig, { readonly type: 'edm' }>,
  diffusion: DiffusionConfig,
  sampler: SamplingConfig,
): WrittenScheduler {
  const className = 'EDMEulerScheduler';
  const { path } = sampler;
  return {
    className,
    fields: {
      sigma_min: (path.type === 'edm' ? path.sigmaMin : undefined) ?? sigmaMin,
      sigma_max: (path.type === 'edm' ? path.sigmaMax : undefined) ?? sigmaMax,
      sigma_data: predictionOptionsOf(diffusion).sigmaData ?? 0.5,
      sigma_schedule: 'karras',
      rho: ('rho' in path ? path.rho : undefined) ?? 7,
      num_train_timesteps: 1000,
      prediction_type: 'epsilon', // here: F
      final_sigmas_type: 'zero',
    },
    notes: [
      ...otherSampler(sampler, className),
      'DDPMPipeline does not scale its images as EDM does: start with noise * pipe.scheduler.init_noise_sigma, and call ' +
        'pipe.scheduler.scale_model_input(x, t) before pipe.unet and pipe.scheduler.step',
    ],
  };
}

/** The spacing of DDPMScheduler and DDIMScheduler; other schedulers' names have a suffix, as in `linspace-euler`. */
const writtenSpacing = (spacing: Spacing): string => spacing.replace(/-.*/, '');

/** Sampling options for which DDPMScheduler and DDIMScheduler have no field. */
function differences(
  sampler: SamplingConfig,
  className: DiscreteClass,
  spacing: Spacing,
  timesteps: number,
): readonly string[] {
  const { type, path, steps } = sampler;
  const notes: string[] = [];
  if (type !== 'ddpm' && className === 'DDPMScheduler')
    notes.push(`the run samples with ${type}, ${className} does not`);
  if (path.type !== 'discrete')
    notes.push(`the run samples on the path ${path.type}, ${className} on spaced timesteps`);
  if (writtenSpacing(spacing) !== spacing) {
    notes.push(`the run samples with the spacing ${spacing}, ${className} has only ${writtenSpacing(spacing)}`);
  }
  if (path.final === 'first' && className === 'DDPMScheduler') notes.push(`${className} always ends at a clean image`);
  const strides = spacing === 'linspace' || (spacing === 'trailing' && timesteps % steps !== 0);
  if (className === 'DDIMScheduler' && strides && path.type === 'discrete' && path.stepEnd !== 'stride') {
    notes.push(
      "a step of DDIMScheduler goes back T / steps timesteps, the run's to the next one (sampler.path.stepEnd)",
    );
  }
  if (type === 'ddim') {
    if ((sampler.eta ?? 0) !== 0) notes.push(`give eta=${sampler.eta} when you call the pipeline or the scheduler`);
    if (sampler.useClippedOutput === true) notes.push('give use_clipped_model_output=True when you call the scheduler');
  }
  return notes;
}

/** The fields that describe training. */
function trainingFieldsOf(schedule: DiscreteScheduleConfig, { timesteps, prediction }: DiffusionConfig): Fields {
  const { type, betaStart, betaEnd, betas, zeroTerminalSnr = false }: ScheduleFields = schedule;
  // Fails to compile if the configuration has new fields, which must be handled or rejected here.
  true satisfies [Exclude<KeyOfAny<DiscreteScheduleConfig>, keyof ScheduleFields>] extends [never] ? true : never;
  if (prediction.type === 'edm') {
    throw new PipelineError(
      "The prediction edm cannot be exported to diffusers: its DDPMScheduler and DDIMScheduler do not scale the network's " +
        'input, as c_in of EDM does. Use the format onnx or safetensors.',
    );
  }
  if (prediction.type === 'flow') {
    throw new PipelineError(
      `The prediction flow on the noise schedule ${type} cannot be exported to diffusers: its schedulers take a velocity ` +
        'only with rectified flow. Use the format onnx or safetensors, or train diffusion.schedule=flow.',
    );
  }
  // In diffusers, trained_betas takes precedence over the other fields.
  const { name, start, end } = betaSchedules[type === 'betas' ? 'linear' : type];
  return {
    ...trainingFields,
    num_train_timesteps: timesteps,
    beta_schedule: name,
    beta_start: betaStart ?? start,
    beta_end: betaEnd ?? end,
    trained_betas: betas ?? null,
    prediction_type: predictionTypes[prediction.type],
    rescale_betas_zero_snr: zeroTerminalSnr,
  };
}

/** What a scheduler of diffusers says about training and sampling. */
export interface SchedulerSettings {
  readonly diffusion: DiffusionConfig;
  /** Sampler, steps, path, and clipping of a pipeline with this scheduler by default. */
  readonly sampler: SamplingConfig;
  /** Sampling options of this file that diffusers applies and this package does not. */
  readonly notes: readonly string[];
}

export interface ReadScheduler extends SchedulerSettings {
  /** A note on fields of this file that a scheduler of its class does not have, if there are any. */
  readonly ignored: readonly string[];
}

/** A sampler without guidance, which schedulers of diffusers do not describe. */
const unguided = { guidance: 1, guidanceInterval: null } as const;

/** Default number of steps of DDIM and of Euler's method in pipelines of diffusers. */
const defaultSteps = 50;

/**
 * The inverse of `writeScheduler`. `source` (the path of the file) starts error messages.
 *
 * @throws {PipelineError} if the class is another one, or a value is not supported
 */
export function readScheduler(fields: Fields, source: string): ReadScheduler {
  const className = fields['_class_name'];
  switch (className) {
    case 'DDPMScheduler':
    case 'DDIMScheduler':
      return readDiscrete(className, fields, source);
    case 'FlowMatchEulerDiscreteScheduler':
    case 'EDMEulerScheduler': {
      const given = continuousOf(className, fields, source);
      const read = className === 'EDMEulerScheduler' ? readEdm(given, source) : readFlow(given, source);
      const known = Object.keys(continuousDefaults[className]);
      return { ...read, ignored: unknownNote(fields, className, known, source) };
    }
    default:
      throw new PipelineError(
        `${source}: the scheduler is ${typeof className === 'string' ? className : shortJson(className)}, but only ` +
          `${Object.keys(ownFields).join(', ')} and ${Object.keys(continuousDefaults).join(', ')} are supported. In ` +
          'Python, convert it with DDPMScheduler.from_config(pipeline.scheduler.config).',
      );
  }
}

/** Most unknown fields that a note lists. */
const listed = 20;

/**
 * A note on fields that a scheduler does not have. Diffusers ignores them too: `from_config` of another scheduler's fields
 * leaves them in the file.
 */
function unknownNote(fields: Fields, className: string, known: readonly string[], source: string): readonly string[] {
  const unknown = Object.keys(fields).filter((key) => !key.startsWith('_') && !known.includes(key));
  if (unknown.length === 0) return [];
  const more = unknown.length > listed ? `, and ${unknown.length - listed} more` : '';
  const names = unknown.slice(0, listed).map(shortened).join(', ');
  return [`ignored in ${source}, since ${className} does not have them: ${names}${more}`];
}

function readDiscrete(className: DiscreteClass, fields: Fields, source: string): ReadScheduler {
  const sampling: Fields = { ...samplingFields, ...ownFields[className] };
  const known = [...Object.keys(trainingFields), ...Object.keys(sampling)];
  const given: Fields = { ...trainingFields, ...fields };
  const zeroTerminalSnr = flagOf(given, 'rescale_betas_zero_snr', source);
  const diffusion: DiffusionConfig = {
    schedule: { ...readBetas(given, source), ...(zeroTerminalSnr && { zeroTerminalSnr }) },
    timesteps: timestepsOf(given, source),
    prediction: {
      type: keyOf(
        given['prediction_type'],
        Object.entries(predictionTypes),
        `${source}: prediction_type`,
      ) as keyof typeof predictionTypes,
    },
    variance: null,
  };
  // As in diffusers, null means the default.
  const set = Object.entries(fields).filter(([key, value]) => key in sampling && value !== null);
  const read = readSampling(className, { ...sampling, ...Object.fromEntries(set) }, diffusion, source);
  return { diffusion, ...read, ignored: unknownNote(fields, className, known, source) };
}

/** The fields of a class for continuous time, with defaults. Null means the default. */
function continuousOf(className: ContinuousClass, fields: Fields, source: string): Fields {
  const defaults: Fields = continuousDefaults[className];
  const set = Object.entries(fields).filter(([key, value]) => Object.hasOwn(defaults, key) && value !== null);
  const given = { ...defaults, ...Object.fromEntries(set) };
  for (const [key, value] of Object.entries(defaults)) {
    if (continuousFields[className].includes(key) || given[key] === value) continue;
    throw refused(source, key, given[key], `${JSON.stringify(value)}, the only value that is supported`);
  }
  return given;
}

function readFlow(given: Fields, source: string): SchedulerSettings {
  const timeScale = numberOf(given, 'num_train_timesteps', source);
  const shift = numberOf(given, 'shift', source);
  const isDefault = timeScale === continuousDefaults.FlowMatchEulerDiscreteScheduler.num_train_timesteps;
  return {
    diffusion: {
      schedule: { type: 'flow', ...(shift !== 1 && { shift }), ...(!isDefault && { timeScale }) },
      timesteps: 1000,
      prediction: { type: 'flow' },
      variance: null,
    },
    sampler: {
      type: 'euler',
      steps: defaultSteps,
      path: { type: 'flow', ...(isDefault && { spacing: 'flow-match-euler' as const }) },
      clipping: null,
      ...unguided,
    },
    notes: isDefault
      ? []
      : [
          `num_train_timesteps is ${timeScale} in ${source}; the times are evenly spaced, which diffusers does for 1000 only`,
        ],
  };
}

function readEdm(given: Fields, source: string): SchedulerSettings {
  const [sigmaMin, sigmaMax, sigmaData, rho] = ['sigma_min', 'sigma_max', 'sigma_data', 'rho'].map((key) =>
    numberOf(given, key, source),
  ) as [number, number, number, number];
  const defaults = continuousDefaults.EDMEulerScheduler;
  return {
    diffusion: {
      schedule: {
        type: 'edm',
        ...(sigmaMin !== defaults.sigma_min && { sigmaMin }),
        ...(sigmaMax !== defaults.sigma_max && { sigmaMax }),
      },
      timesteps: 1000,
      prediction: { type: 'edm', sigmaData },
      variance: null,
    },
    sampler: {
      type: 'euler',
      steps: defaultSteps,
      path: { type: 'edm', ...(rho !== defaults.rho && { rho }) },
      clipping: null,
      ...unguided,
    },
    notes: [],
  };
}

/** Whether `writeScheduler` writes these fields for this sampler, so that nobody has changed them since. */
export function isWrittenFor(fields: Fields, diffusion: DiffusionConfig, sampler: SamplingConfig): boolean {
  // The variance is not part of what `readScheduler` returns as the diffusion.
  const variance = fields['variance_type'] === 'learned_range' ? ({ type: 'learnedRange' } as const) : null;
  const written = writeScheduler({ ...diffusion, variance }, sampler);
  const own = Object.entries({ _class_name: written.className, ...written.fields });
  return own.every(([key, value]) => JSON.stringify(fields[key]) === JSON.stringify(value));
}

function readSampling(
  className: DiscreteClass,
  given: Fields,
  { timesteps }: DiffusionConfig,
  source: string,
): Pick<SchedulerSettings, 'sampler' | 'notes'> {
  const spacing = spacings.find((name) => name === given['timestep_spacing']);
  if (spacing === undefined) throw refused(source, 'timestep_spacing', given['timestep_spacing'], spacings.join(', '));
  // It applies to leading spacing only.
  const stepsOffset = spacing === 'leading' ? numberOf(given, 'steps_offset', source) : 0;
  const path = { type: 'discrete', spacing, ...(stepsOffset !== 0 && { stepsOffset }) } as const;
  const clipping = readClipping(given, source);
  const most = Math.max(1, timesteps - stepsOffset);
  if (className === 'DDIMScheduler') {
    const final = flagOf(given, 'set_alpha_to_one', source) ? 'clean' : 'first';
    // With leading spacing, both are the same, and most samplers take only the default.
    const stepEnd = spacing === 'leading' ? {} : ({ stepEnd: 'stride' } as const);
    const sampler = {
      type: 'ddim',
      steps: Math.min(defaultSteps, most),
      path: { ...path, final, ...stepEnd },
      clipping,
      ...unguided,
    } as const;
    return { sampler, notes: [] };
  }
  const type = given['variance_type'];
  const isKnown = typeof type === 'string' && Object.hasOwn(varianceTypes, type);
  const variance = isKnown ? varianceTypes[type as keyof typeof varianceTypes] : 'fixedSmall';
  return {
    sampler: { type: 'ddpm', steps: Math.min(1000, most), path, clipping, variance, ...unguided },
    notes: isKnown
      ? []
      : [`variance_type is ${JSON.stringify(type)} in ${source}; it samples with "fixed_small" instead`],
  };
}

/** Thresholding takes precedence over clipping. */
function readClipping(given: Fields, source: string): SamplingConfig['clipping'] {
  if (flagOf(given, 'thresholding', source)) {
    const quantile = numberOf(given, 'dynamic_thresholding_ratio', source);
    return { type: 'threshold', quantile, max: numberOf(given, 'sample_max_value', source) };
  }
  if (!flagOf(given, 'clip_sample', source)) return null;
  return { type: 'range', max: numberOf(given, 'clip_sample_range', source) };
}

function flagOf(fields: Fields, key: string, source: string): boolean {
  const value = fields[key];
  if (typeof value !== 'boolean') throw refused(source, key, value, 'true or false');
  return value;
}

/** The explicit betas if the file has them, otherwise the named schedule. */
function readBetas(given: Fields, source: string): DiscreteScheduleConfig {
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

/** The beta range, if it differs from this package's default. */
function betaRange(
  given: Fields,
  type: keyof typeof betaSchedules,
  source: string,
): { readonly betaStart?: number; readonly betaEnd?: number } {
  const [betaStart, betaEnd] = [numberOf(given, 'beta_start', source), numberOf(given, 'beta_end', source)];
  const { start, end } = betaSchedules[type];
  return betaStart === start && betaEnd === end ? {} : { betaStart, betaEnd };
}

function timestepsOf(given: Fields, source: string): number {
  const value = numberOf(given, 'num_train_timesteps', source);
  if (Number.isInteger(value) && value >= 1 && value <= mostTimesteps) return value;
  throw refused(source, 'num_train_timesteps', value, `an integer from 1 to ${mostTimesteps}`);
}

function numberOf(fields: Fields, key: string, source: string): number {
  const value = fields[key];
  if (typeof value !== 'number') throw refused(source, key, value, 'a number');
  return value;
}

/** The first element of the pair whose second element is `value`. */
function keyOf(value: unknown, pairs: readonly (readonly [string, string])[], field: string): string {
  const pair = pairs.find(([, theirs]) => theirs === value);
  if (pair !== undefined) return pair[0];
  throw new PipelineError(`${field} is ${shortJson(value)}, but must be one of ${pairs.map(([, p]) => p).join(', ')}.`);
}

function refused(source: string, field: string, value: unknown, right: string): PipelineError {
  return new PipelineError(`${source}: ${field} must be ${right}, got ${shortJson(value)}.`);
}

function shortJson(value: unknown): string {
  return shortened(JSON.stringify(value) ?? 'nothing');
}

const shortened = (text: string): string => (text.length > 60 ? `${text.slice(0, 60)}...` : text);
