/**
 * CLTS, the curriculum-learning timestep schedule: Xu, Mi, Wang, Chen, "Towards Faster Training of Diffusion Models: An
 * Inspiration of A Consistency Phenomenon", arXiv:2404.07946.
 *
 * Certain, from the abstract: the noise rate indicates difficulty (timesteps near pure noise are easier), and the
 * easier timesteps are gradually trained on less often.
 *
 * The formula is a RECONSTRUCTION, not the authors' text: a mixture that moves from uniform to a Gaussian,
 *
 *   p_i(t)   = (1 - lambda_i) / T + lambda_i g(t),    g(t) ∝ exp(-(c_t - mu)^2 / (2 sigma^2)),    sum_t g(t) = 1
 *   lambda_i = lambdaMax r(min(1, i / rampSteps)),    i = optimizer step from 0
 *
 * The mixture, the linear ramp over the whole training, c_t = t / T, and mu = 0.3 come from reviews of an earlier
 * version and from third-party re-implementations. Unknown are sigma, and also the coordinate c: the abstract says
 * "noise rate", while the re-implementations use t / T. sigma = 0.2 and lambdaMax = 0.8 are OUR choice: at sigma = 1
 * the Gaussian is nearly flat, and lambdaMax = 0.8 keeps at least 20% of each timestep's uniform frequency. Each of
 * these is an option, so that its effect can be measured.
 */
import { requireContext, type ScheduleContext } from './context.js';
import { coordinateOf, coordinates, type Coordinate } from './coordinates.js';
import { mixtureSchedule, normalize } from './discrete.js';
import { checkChoice, checkInRange, checkInteger, checkNumber, checkPositive, resolveOptions } from './checks.js';
import type { TimestepSchedule } from './schedule.js';

/**
 * The ramps r(x) of lambda, x = step / rampSteps in [0, 1]: `linear`, x; `cosine`, (1 - cos(pi x)) / 2; `step`, 0 for x
 * < 1 and 1 at x = 1.
 */
export const ramps = ['linear', 'cosine', 'step'] as const;
export type Ramp = (typeof ramps)[number];

const rampShape: Record<Ramp, (x: number) => number> = {
  linear: (x) => x,
  cosine: (x) => (1 - Math.cos(Math.PI * x)) / 2,
  step: (x) => (x < 1 ? 0 : 1),
};

export interface CltsOptions {
  /** The measure of difficulty c_t. Default `time`; all others need `alphasCumprod` in the context. */
  readonly coordinate: Coordinate;
  /** Mean of the Gaussian, in units of the coordinate. Default 0.3; see `coordinateDefaults`. */
  readonly mu: number;
  /** Standard deviation of the Gaussian, in units of the coordinate, > 0. Default 0.2; see `coordinateDefaults`. */
  readonly sigma: number;
  /**
   * Whether the defaults of mu and sigma depend on the coordinate (`cltsGaussians`). Default false: 0.3 and 0.2 for
   * all coordinates, as in earlier versions, although 0.3 +- 0.2 in logSNR is a few timesteps.
   */
  readonly coordinateDefaults: boolean;
  /** Final weight of the Gaussian, in [0, 1]; the uniform part keeps the weight 1 - lambdaMax. Default 0.8. */
  readonly lambdaMax: number;
  /** How lambda grows. Default `linear`. */
  readonly ramp: Ramp;
  /** Optimizer steps until lambda = lambdaMax, >= 1. Default null: `rampShare` of the run. */
  readonly rampSteps: number | null;
  /** The same as a fraction of the run's `totalSteps`, in (0, 1]. Default null: `rampSteps`, or the whole run. */
  readonly rampShare: number | null;
  /** Weight losses by 1 / (T p_t), which leaves the expected loss as in uniform training. Default false. */
  readonly importanceCorrection: boolean;
}

export const cltsDefaults: CltsOptions = {
  coordinate: 'time',
  mu: 0.3,
  sigma: 0.2,
  coordinateDefaults: false,
  lambdaMax: 0.8,
  ramp: 'linear',
  rampSteps: null,
  rampShare: null,
  importanceCorrection: false,
};

/**
 * Default Gaussian of each coordinate, ours and not the authors': of `time` as above; of logSNR, 0 and 2; of the others the
 * same center, equal signal and noise, with the width that logSNR 2 has there to first order.
 */
export const cltsGaussians: Readonly<Record<Coordinate, { readonly mu: number; readonly sigma: number }>> = {
  time: { mu: 0.3, sigma: 0.2 },
  noiseStd: { mu: Math.SQRT1_2, sigma: Math.SQRT1_2 / 2 },
  noiseVariance: { mu: 0.5, sigma: 0.5 },
  logSnr: { mu: 0, sigma: 2 },
  lnSigma: { mu: 0, sigma: 1 },
  flowTime: { mu: 0.5, sigma: 0.25 },
};

/**
 * The options with their defaults. The width of the default Gaussian is multiplied by `widthFactor`.
 * @throws {RangeError} if an option is unknown, or the coordinate is
 */
export function resolveCltsOptions(name: string, options: Partial<CltsOptions> = {}, widthFactor = 1): CltsOptions {
  const { coordinate = cltsDefaults.coordinate, coordinateDefaults } = options;
  checkChoice('clts: coordinate', coordinate, coordinates);
  const { mu, sigma } = cltsGaussians[coordinateDefaults === true ? coordinate : 'time'];
  return resolveOptions(name, { ...cltsDefaults, mu, sigma: sigma * widthFactor }, options);
}

/** The parts of CLTS's mixture: the Gaussian g [T], and its weight lambda at each optimizer step. */
export interface CltsParts {
  readonly gaussian: Float64Array;
  readonly lambda: (step: number) => number;
}

/**
 * Checks the options and computes the parts of the mixture.
 * @throws {RangeError} if the context is invalid, or an option is out of range
 */
export function cltsParts(context: ScheduleContext, options: CltsOptions): CltsParts {
  requireContext('clts', context);
  const { coordinate, mu, sigma, coordinateDefaults, lambdaMax, ramp } = options;
  const rampSteps = options.rampSteps ?? rampStepsOf(options.rampShare, context.totalSteps);
  checkChoice('clts: coordinate', coordinate, coordinates);
  checkNumber('clts: mu', mu);
  checkPositive('clts: sigma', sigma);
  checkChoice('clts: coordinateDefaults', coordinateDefaults, [true, false]);
  checkInRange('clts: lambdaMax', lambdaMax, '[0, 1]');
  checkChoice('clts: ramp', ramp, ramps);
  checkInteger('clts: rampSteps', rampSteps, 1);
  if (options.rampSteps !== null && options.rampShare !== null) {
    throw new RangeError(
      `clts: rampShare ${options.rampShare} contradicts rampSteps ${rampSteps}; set one of them to null`,
    );
  }

  const c = coordinateOf('clts', coordinate, context);
  const gaussian = normalize(
    'clts',
    c.map((x) => Math.exp(-((x - mu) ** 2) / (2 * sigma ** 2))),
  );
  return { gaussian, lambda: (step) => lambdaMax * rampShape[ramp](Math.min(1, step / rampSteps)) };
}

function rampStepsOf(share: number | null, totalSteps: number): number {
  if (share === null) return totalSteps;
  checkInRange('clts: rampShare', share, '(0, 1]');
  return Math.max(1, Math.round(share * totalSteps));
}

/**
 * CLTS: p(t) = (1 - lambda) / T + lambda g(t), with a Gaussian g over a coordinate of difficulty and a lambda that
 * grows from 0 to `lambdaMax` over `rampSteps`. A reconstruction of arXiv:2404.07946: the comment at the top of this
 * file says which parts are the authors'.
 * @throws {RangeError} if the context is invalid, or an option is unknown or out of range
 */
export function clts(context: ScheduleContext, options?: Partial<CltsOptions>): TimestepSchedule {
  const resolved = resolveCltsOptions('clts', options);
  const { gaussian, lambda } = cltsParts(context, resolved);
  return mixtureSchedule('clts', {
    density: gaussian,
    lambda,
    isImportanceCorrected: resolved.importanceCorrection,
    continuous: context.continuous,
  });
}
