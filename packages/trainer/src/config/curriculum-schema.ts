/** The curriculum part of a configuration: the options of each timestep schedule of @dm/curriculum. */
import {
  coordinates,
  ramps,
  timestepScheduleDefaults,
  type TimestepScheduleName,
  type TimestepScheduleOptions,
} from '@dm/curriculum';
import * as z from 'zod';

/** A schema for each option of a schedule. */
type FieldsOf<N extends TimestepScheduleName> = Readonly<Record<keyof TimestepScheduleOptions<N>, z.core.$ZodType>>;

const positive = z.number().positive();
const count = z.int().min(1);

const clts = {
  coordinate: z
    .enum(coordinates)
    .exactOptional()
    .describe(
      'Measure of difficulty: t / T (time), or the noise level by standard deviation, variance, log SNR, ln sigma, or flow time.',
    ),
  mu: z.number().exactOptional().describe('Center of the Gaussian, in units of the coordinate.'),
  sigma: positive.exactOptional().describe('Standard deviation of the Gaussian, in units of the coordinate.'),
  lambdaMax: z
    .number()
    .min(0)
    .max(1)
    .exactOptional()
    .describe('Fraction of the Gaussian at the end of the ramp; the rest of the density stays uniform.'),
  ramp: z.enum(ramps).exactOptional().describe('How the fraction of the Gaussian grows.'),
  rampSteps: count.nullable().exactOptional().describe('Optimizer steps of the ramp; null for totalSteps.'),
  rampShare: z
    .number()
    .gt(0)
    .max(1)
    .nullable()
    .exactOptional()
    .describe('The same as a fraction of totalSteps; null for rampSteps.'),
  importanceCorrection: z
    .boolean()
    .exactOptional()
    .describe('Weight losses by 1 / (T p_t), which keeps the objective of uniform timesteps.'),
} satisfies FieldsOf<'clts'>;

const logNormal = {
  mean: z.number().exactOptional().describe('Mean of ln sigma.'),
  std: positive.exactOptional().describe('Standard deviation of ln sigma.'),
} satisfies FieldsOf<'edm'>;

const weightAndBias = {
  weight: z.number().min(0).exactOptional().describe('How much the density over flow time varies; 0 is uniform.'),
  bias: z.number().exactOptional().describe('Offset of the center from flow time 0.5; more favors the noise.'),
} satisfies FieldsOf<'sigmoid'>;

/** Options by schedule, without defaults, which @dm/curriculum defines. */
const options = {
  uniform: {},
  clts,
  cltsReversed: clts,
  cltsTimeAverage: clts,
  cltsCorrected: clts,
  cltsLogSnr: clts,
  cltsWide: clts,
  lossSecondMoment: {
    historyPerTimestep: count.max(1e7).exactOptional().describe('Losses remembered per timestep; at most 10^7 / T.'),
    uniformShare: z.number().gt(0).max(1).exactOptional().describe('Fraction of the density that stays uniform.'),
  } satisfies FieldsOf<'lossSecondMoment'>,
  difficultyCurriculum: {
    clusters: count.exactOptional().describe('Number of equal intervals of timesteps, at most T.'),
    patience: count
      .exactOptional()
      .describe('Consecutive updates without a lower loss after which the next interval is added.'),
    smoothing: z
      .number()
      .min(0)
      .lt(1)
      .exactOptional()
      .describe('Weight of the previous value in the running loss; 0 compares the losses of single batches.'),
  } satisfies FieldsOf<'difficultyCurriculum'>,
  edm: logNormal,
  edm2: logNormal,
  laplace: {
    mu: z.number().exactOptional().describe('Center in log SNR.'),
    b: positive.exactOptional().describe('Scale in log SNR.'),
  } satisfies FieldsOf<'laplace'>,
  logitNormal: {
    mean: z.number().exactOptional().describe('Mean of logit(s); less than 0 favors the data, more the noise.'),
    std: positive.exactOptional().describe('Standard deviation of logit(s).'),
  } satisfies FieldsOf<'logitNormal'>,
  mode: {
    scale: z
      .number()
      .gt(-1)
      .lt(2 / (Math.PI - 2))
      .exactOptional()
      .describe('0 is uniform in flow time; more favors the middle, less the ends.'),
  } satisfies FieldsOf<'mode'>,
  cosmap: {},
  sigmoid: weightAndBias,
  invertedParabola: weightAndBias,
  speed: {
    k: z.number().min(1).exactOptional().describe('How many times more likely the first tau timesteps are.'),
    tau: count.nullable().exactOptional().describe('Number of favored timesteps, at most T; null for 0.7 T.'),
    weightCeiling: z
      .number()
      .min(0.5)
      .max(1)
      .nullable()
      .exactOptional()
      .describe('Largest change-aware loss weight; null for no weights.'),
  } satisfies FieldsOf<'speed'>,
  beta: {
    a: positive.exactOptional().describe('First parameter of the Beta distribution; less than 1 favors small t.'),
    b: positive.exactOptional().describe('Second parameter of the Beta distribution; less than 1 favors large t.'),
  } satisfies FieldsOf<'beta'>,
} satisfies Readonly<Record<TimestepScheduleName, object>>;

/** The schedule `name` with its options. */
function schedule<N extends TimestepScheduleName>(name: N) {
  const fields: (typeof options)[N] = options[name];
  return z.strictObject({ type: z.literal(name), ...withDefaults(fields, timestepScheduleDefaults[name]) });
}

function withDefaults<T extends object>(fields: T, defaults: object): T {
  const values = new Map<string, unknown>(Object.entries(defaults));
  return Object.fromEntries(
    Object.entries(fields).map(([name, field]: [string, z.ZodType]) => [
      name,
      field.meta({ ...field.meta(), default: values.get(name) }),
    ]),
  ) as T;
}

/** The timestep schedules and their options; `setup/training-setup.ts` creates them. */
export const curriculumSchema = z.discriminatedUnion('type', [
  schedule('uniform'),
  schedule('clts'),
  schedule('cltsReversed'),
  schedule('cltsTimeAverage'),
  schedule('cltsCorrected'),
  schedule('cltsLogSnr'),
  schedule('cltsWide'),
  schedule('lossSecondMoment'),
  schedule('difficultyCurriculum'),
  schedule('edm'),
  schedule('edm2'),
  schedule('laplace'),
  schedule('logitNormal'),
  schedule('mode'),
  schedule('cosmap'),
  schedule('sigmoid'),
  schedule('invertedParabola'),
  schedule('speed'),
  schedule('beta'),
]);
