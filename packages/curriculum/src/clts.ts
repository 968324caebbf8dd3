/**
 * CLTS: the curriculum-learning timestep schedule.
 *
 * Xu, Mi, Wang, Chen, "Towards Faster Training of Diffusion Models: An Inspiration of A Consistency Phenomenon",
 * arXiv:2404.07946. What is certain, from the abstract: the noise rate is the indicator of difficulty (timesteps near
 * pure noise are the easier ones), and the easier timesteps are trained on less and less often.
 *
 * The formula is a RECONSTRUCTION, not the authors' text: a mixture that moves from uniform to a Gaussian,
 *
 *   p_i(t) = (1 - lam_i) / T + lam_i g(t),    g(t) ∝ exp(-(c_t - mu)^2 / (2 sigma^2)),  sum_t g(t) = 1
 *   lam_i  = lambdaMax r(min(1, i / rampSteps)),  i = optimizer step from 0
 *
 * The mixture, the linear ramp over the whole training, c_t = t / T and mu = 0.3 come from reviews of an earlier
 * version and from third-party re-implementations. Unknown are sigma and, really, the coordinate c: the abstract says
 * noise rate, the re-implementations use t / T. sigma = 0.2 and lambdaMax = 0.8 are OUR choice: at sigma = 1 the Gaussian
 * is nearly flat, and lambdaMax = 0.8 keeps every timestep at 20 % of its uniform frequency or more. So each of these is
 * an option here, to be measured and not believed.
 */
import { requireContext, type ScheduleContext } from './context.js';
import { coordinateOf, coordinates, type Coordinate } from './coordinates.js';
import { discreteSchedule, importanceWeights, normalize } from './discrete.js';
import { checkChoice, checkInRange, checkInteger, checkNumber, checkPositive, resolveOptions } from './checks.js';
import type { TimestepSchedule } from './schedule.js';

/** How lambda grows from 0 to lambdaMax, x = step / rampSteps in [0, 1]: x; (1 - cos(pi x)) / 2; 0, then 1 at x = 1. */
export const ramps = ['linear', 'cosine', 'step'] as const;
export type Ramp = (typeof ramps)[number];

const rampShape: Record<Ramp, (x: number) => number> = {
  linear: (x) => x,
  cosine: (x) => (1 - Math.cos(Math.PI * x)) / 2,
  step: (x) => (x < 1 ? 0 : 1),
};

export interface CltsOptions {
  /** What measures difficulty; enters the exponent only. All but `time` need `alphasCumprod` in the context. */
  readonly coordinate: Coordinate;
  /** Center of the Gaussian, in the coordinate's units. */
  readonly mu: number;
  /** Standard deviation of the Gaussian, in the coordinate's units, > 0. */
  readonly sigma: number;
  /** Share of the Gaussian at the end, in [0, 1]; 1 - lambdaMax is the uniform floor that stays. */
  readonly lambdaMax: number;
  readonly ramp: Ramp;
  /** Optimizer steps until lambda = lambdaMax, >= 1; the run's `totalSteps` when null. */
  readonly rampSteps: number | null;
  /** Weight losses by 1 / (T p_t), so that only the variance changes and not the objective. Off in CLTS. */
  readonly importanceCorrection: boolean;
}

export const cltsDefaults: CltsOptions = {
  coordinate: 'time',
  mu: 0.3,
  sigma: 0.2,
  lambdaMax: 0.8,
  ramp: 'linear',
  rampSteps: null,
  importanceCorrection: false,
};

/** The two parts of CLTS: the Gaussian g over timesteps, and its share lambda at each step. */
export interface CltsParts {
  readonly gaussian: Float64Array;
  readonly lambda: (step: number) => number;
}

/** Validates the options (throws a RangeError naming the field) and computes the parts of the mixture. */
export function cltsParts(context: ScheduleContext, options: CltsOptions): CltsParts {
  requireContext('clts', context);
  const { coordinate, mu, sigma, lambdaMax, ramp } = options;
  const rampSteps = options.rampSteps ?? context.totalSteps;
  checkChoice('clts: coordinate', coordinate, coordinates);
  checkNumber('clts: mu', mu);
  checkPositive('clts: sigma', sigma);
  checkInRange('clts: lambdaMax', lambdaMax, '[0, 1]');
  checkChoice('clts: ramp', ramp, ramps);
  checkInteger('clts: rampSteps', rampSteps, 1);

  const c = coordinateOf('clts', coordinate, context);
  const gaussian = normalize(
    'clts',
    c.map((x) => Math.exp(-((x - mu) ** 2) / (2 * sigma ** 2))),
  );
  return { gaussian, lambda: (step) => lambdaMax * rampShape[ramp](Math.min(1, step / rampSteps)) };
}

/** (1 - lambda) / T + lambda g(t): length T, sums to 1. */
export function cltsDensity(gaussian: Float64Array, lambda: number): Float64Array {
  const floor = (1 - lambda) / gaussian.length;
  return gaussian.map((g) => floor + lambda * g);
}

/** CLTS as described above. */
export function clts(context: ScheduleContext, options?: Partial<CltsOptions>): TimestepSchedule {
  const resolved = resolveOptions('clts', cltsDefaults, options);
  const { gaussian, lambda } = cltsParts(context, resolved);
  return discreteSchedule({
    name: 'clts',
    numTimesteps: context.numTimesteps,
    density: (step) => cltsDensity(gaussian, lambda(step)),
    ...(resolved.importanceCorrection && { weights: importanceWeights }),
  });
}
