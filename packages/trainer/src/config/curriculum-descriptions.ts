/** Descriptions and defaults of the options of timestep schedules, for the JSON Schema. */
import { timestepScheduleDefaults, type TimestepScheduleName, type TimestepScheduleOptions } from '@dm/curriculum';
import * as z from 'zod';
import { curriculumSchema } from './curriculum-schema.js';

type TextsOf<N extends TimestepScheduleName> = Readonly<Record<keyof TimestepScheduleOptions<N>, string>>;

const clts = {
  coordinate:
    'Measure of difficulty: t / T (time), or the noise level by standard deviation, variance, log SNR, ln sigma, or flow time.',
  mu: 'Center of the Gaussian, in units of the coordinate; see coordinateDefaults.',
  sigma: 'Standard deviation of the Gaussian, in units of the coordinate; see coordinateDefaults.',
  coordinateDefaults:
    'Whether mu and sigma default to the Gaussian of the coordinate; false for 0.3 and 0.2 in every coordinate.',
  lambdaMax: 'Fraction of the Gaussian at the end of the ramp; the rest of the density stays uniform.',
  ramp: 'How the fraction of the Gaussian grows.',
  rampSteps: 'Optimizer steps of the ramp; null for totalSteps.',
  rampShare: 'The same as a fraction of totalSteps; null for rampSteps.',
  importanceCorrection: 'Weight losses by 1 / (T p_t), which keeps the objective of uniform timesteps.',
} satisfies TextsOf<'clts'>;

const logNormal = {
  mean: 'Mean of ln sigma.',
  std: 'Standard deviation of ln sigma.',
} satisfies TextsOf<'edm'>;

const weightAndBias = {
  weight: 'How much the density over flow time varies; 0 is uniform.',
  bias: 'Offset of the center from flow time 0.5; more favors the noise.',
} satisfies TextsOf<'sigmoid'>;

const adaptive = {
  bins: 'Number of equal intervals of timesteps that have a running mean of losses each; at most T are used.',
  decay: 'Decay of the running means per observed loss.',
  uniformShare: 'Fraction of the density that stays uniform.',
} satisfies TextsOf<'infoNoise'>;

const descriptions: { readonly [N in TimestepScheduleName]: TextsOf<N> } = {
  uniform: {},
  clts,
  cltsReversed: clts,
  cltsTimeAverage: clts,
  cltsCorrected: clts,
  cltsLogSnr: clts,
  cltsWide: clts,
  lossSecondMoment: {
    historyPerTimestep: 'Losses remembered per timestep; at most 10^7 / T.',
    uniformShare: 'Fraction of the density that stays uniform.',
  },
  difficultyCurriculum: {
    clusters: 'Number of equal intervals of timesteps, at most T.',
    patience: 'Consecutive updates without a lower loss after which the next interval is added.',
    smoothing: 'Weight of the previous value in the running loss; 0 compares the losses of single batches.',
  },
  curriculumSampling: {
    mean: 'Mean of logit(s) in the first part of the run.',
    std: 'Standard deviation of logit(s) in the first part of the run.',
    share: 'Fraction of the run with the logit-normal density; the rest is uniform.',
  },
  infoNoise: adaptive,
  excessLoss: {
    ...adaptive,
    reference: 'Loss that training can reach at best in each interval, from the cleanest; null for 0.',
  },
  edm: logNormal,
  edm2: logNormal,
  laplace: {
    mu: 'Center in log SNR.',
    b: 'Scale in log SNR.',
  },
  logitNormal: {
    mean: 'Mean of logit(s); less than 0 favors the data, more the noise.',
    std: 'Standard deviation of logit(s).',
  },
  mode: {
    scale: '0 is uniform in flow time; more favors the middle, less the ends.',
  },
  cosmap: {},
  sigmoid: weightAndBias,
  invertedParabola: weightAndBias,
  speed: {
    k: 'How many times more likely the first tau timesteps are.',
    tau: 'Number of favored timesteps, at most T; null for 0.7 T.',
    weightCeiling: 'Largest change-aware loss weight; null for no weights.',
  },
  beta: {
    a: 'First parameter of the Beta distribution; less than 1 favors small t.',
    b: 'Second parameter of the Beta distribution; less than 1 favors large t.',
  },
};

/** Adds the descriptions and defaults to the fields of the schema, from which zod writes them to a JSON Schema. */
export function describeCurricula(): void {
  for (const { shape } of curriculumSchema.options) {
    const { type, ...fields } = shape as z.core.$ZodLooseShape;
    const name = (type as z.ZodLiteral<TimestepScheduleName>).value;
    const texts: Readonly<Record<string, string>> = descriptions[name];
    const defaults: Readonly<Record<string, unknown>> = timestepScheduleDefaults[name];
    for (const [field, schema] of Object.entries(fields)) {
      // The default in configurations may differ from the one of @dm/curriculum.
      const own = schema instanceof z.ZodDefault ? schema.def.defaultValue : defaults[field];
      z.globalRegistry.add(schema, { description: texts[field]!, default: own });
    }
  }
}
