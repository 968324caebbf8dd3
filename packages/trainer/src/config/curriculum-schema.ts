/**
 * The curriculum part of a configuration: the options of each timestep schedule of @dm/curriculum. Their descriptions and
 * defaults are in curriculum-descriptions.ts, which training does not load.
 */
import { coordinates, ramps, type TimestepScheduleName, type TimestepScheduleOptions } from '@dm/curriculum';
import * as z from 'zod';

/** A schema for each option of a schedule. */
type FieldsOf<N extends TimestepScheduleName> = Readonly<Record<keyof TimestepScheduleOptions<N>, z.core.$ZodType>>;

const positive = z.number().positive();
const count = z.int().min(1);

const clts = {
  coordinate: z.enum(coordinates).exactOptional(),
  mu: z.number().exactOptional(),
  sigma: positive.exactOptional(),
  // New runs; addedFields has the value of older ones.
  coordinateDefaults: z.boolean().default(true),
  lambdaMax: z.number().min(0).max(1).exactOptional(),
  ramp: z.enum(ramps).exactOptional(),
  rampSteps: count.nullable().exactOptional(),
  rampShare: z.number().gt(0).max(1).nullable().exactOptional(),
  importanceCorrection: z.boolean().exactOptional(),
} satisfies FieldsOf<'clts'>;

const logNormal = {
  mean: z.number().exactOptional(),
  std: positive.exactOptional(),
} satisfies FieldsOf<'edm'>;

const weightAndBias = {
  weight: z.number().min(0).exactOptional(),
  bias: z.number().exactOptional(),
} satisfies FieldsOf<'sigmoid'>;

const adaptive = {
  bins: count.exactOptional(),
  decay: z.number().min(0).lt(1).exactOptional(),
  uniformShare: z.number().gt(0).max(1).exactOptional(),
} satisfies FieldsOf<'infoNoise'>;

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
    historyPerTimestep: count.max(1e7).exactOptional(),
    uniformShare: z.number().gt(0).max(1).exactOptional(),
  } satisfies FieldsOf<'lossSecondMoment'>,
  difficultyCurriculum: {
    clusters: count.exactOptional(),
    patience: count.exactOptional(),
    smoothing: z.number().min(0).lt(1).exactOptional(),
  } satisfies FieldsOf<'difficultyCurriculum'>,
  curriculumSampling: {
    mean: z.number().exactOptional(),
    std: positive.exactOptional(),
    share: z.number().min(0).max(1).exactOptional(),
  } satisfies FieldsOf<'curriculumSampling'>,
  infoNoise: adaptive,
  excessLoss: {
    ...adaptive,
    reference: z.array(z.number().min(0)).min(1).max(100_000).nullable().exactOptional(),
  } satisfies FieldsOf<'excessLoss'>,
  edm: logNormal,
  edm2: logNormal,
  laplace: {
    mu: z.number().exactOptional(),
    b: positive.exactOptional(),
  } satisfies FieldsOf<'laplace'>,
  logitNormal: {
    mean: z.number().exactOptional(),
    std: positive.exactOptional(),
  } satisfies FieldsOf<'logitNormal'>,
  mode: {
    scale: z
      .number()
      .gt(-1)
      .lt(2 / (Math.PI - 2))
      .exactOptional(),
  } satisfies FieldsOf<'mode'>,
  cosmap: {},
  sigmoid: weightAndBias,
  invertedParabola: weightAndBias,
  speed: {
    k: z.number().min(1).exactOptional(),
    tau: count.nullable().exactOptional(),
    weightCeiling: z.number().min(0.5).max(1).nullable().exactOptional(),
  } satisfies FieldsOf<'speed'>,
  beta: {
    a: positive.exactOptional(),
    b: positive.exactOptional(),
  } satisfies FieldsOf<'beta'>,
} satisfies Readonly<Record<TimestepScheduleName, object>>;

/** The schedule `name` with its options. Each type has its own copy of shared fields, with its own default. */
function schedule<N extends TimestepScheduleName>(name: N) {
  const fields: (typeof options)[N] = options[name];
  const copies = Object.entries(fields).map(([field, schema]: [string, z.ZodType]) => [field, schema.clone()]);
  return z.strictObject({ type: z.literal(name), ...(Object.fromEntries(copies) as typeof fields) });
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
  schedule('curriculumSampling'),
  schedule('lossSecondMoment'),
  schedule('difficultyCurriculum'),
  schedule('infoNoise'),
  schedule('excessLoss'),
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
