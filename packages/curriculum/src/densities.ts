/**
 * Densities over timesteps that do not change during training: uniform, and published baselines. Those defined over the
 * noise level (ln sigma, logSNR, flow time) are converted to a discrete schedule by mass (`densityByMass`) and need
 * `alphasCumprod` in the context.
 */
import { requireContext, type ScheduleContext, type ScheduleFactory } from './context.js';
import { checkNonNegative, checkNumber, checkPositive, resolveOptions } from './checks.js';
import { type ClosedForm, normalQuantile } from './continuous.js';
import { staticSchedule } from './discrete.js';
import { incompleteBeta } from './incomplete-beta.js';
import type { TimestepSchedule } from './schedule.js';
import { densityByMass, type DensityCoordinate } from './transfer.js';

// Uniform
// --------------------------------------------------------------------------------------------------------------

/**
 * Uniform timesteps, p_t = 1 / T: Algorithm 1 of Ho et al. 2020, arXiv:2006.11239. No options.
 * @throws {RangeError} if the context is invalid, or any option is given
 */
export const uniformTimesteps: ScheduleFactory<Record<string, never>> = (context, options) => {
  requireContext('uniform', context);
  resolveOptions('uniform', {}, options);
  const { numTimesteps, continuous } = context;
  return staticSchedule('uniform', new Float64Array(numTimesteps).fill(1 / numTimesteps), { continuous });
};

// Normal in ln sigma: EDM and EDM2
// -------------------------------------------------------------------------------------

export interface LogNormalOptions {
  /** Mean of ln sigma. */
  readonly mean: number;
  /** Standard deviation of ln sigma, > 0. */
  readonly std: number;
}

/** Table 1 of Karras et al. 2022, arXiv:2206.00364. */
export const edmDefaults: LogNormalOptions = { mean: -1.2, std: 1.2 };
/** Karras et al. 2024, arXiv:2312.02696. */
export const edm2Defaults: LogNormalOptions = { mean: -0.4, std: 1 };

/**
 * Timesteps with ln sigma ~ N(mean, std^2), by default EDM's N(-1.2, 1.2^2): Table 1 of Karras et al. 2022,
 * arXiv:2206.00364. To be combined with the loss weighting `edm`. Needs `alphasCumprod`.
 * @throws {RangeError} if the context is invalid, or an option is unknown or out of range
 */
export function edmTimesteps(context: ScheduleContext, options?: Partial<LogNormalOptions>): TimestepSchedule {
  return logNormal('edm', context, resolveOptions('edm', edmDefaults, options));
}

/**
 * Timesteps with ln sigma ~ N(mean, std^2), by default EDM2's N(-0.4, 1): Karras et al. 2024, arXiv:2312.02696. EDM2's
 * learned uncertainty u(sigma) is the option `uncertainty` of `@dm/trainer`. Needs `alphasCumprod`.
 * @throws {RangeError} if the context is invalid, or an option is unknown or out of range
 */
export function edm2Timesteps(context: ScheduleContext, options?: Partial<LogNormalOptions>): TimestepSchedule {
  return logNormal('edm2', context, resolveOptions('edm2', edm2Defaults, options));
}

function logNormal(name: string, context: ScheduleContext, { mean, std }: LogNormalOptions): TimestepSchedule {
  requireContext(name, context);
  checkNumber(`${name}: mean`, mean);
  checkPositive(`${name}: std`, std);
  const density = (x: number): number => Math.exp(-((x - mean) ** 2) / (2 * std ** 2));
  return byMass(name, context, 'lnSigma', density, (u) => mean + std * normalQuantile(u));
}

// Laplace in logSNR
// ----------------------------------------------------------------------------------------------------

export interface LaplaceOptions {
  /** Center in logSNR. Default 0. */
  readonly mu: number;
  /** Scale in logSNR, > 0. Default 0.5. */
  readonly b: number;
}

export const laplaceDefaults: LaplaceOptions = { mu: 0, b: 0.5 };

/**
 * Timesteps with a Laplace density p(logSNR) = exp(-|logSNR - mu| / b) / (2 b), which by default peaks at equal signal
 * and noise: Hang et al. 2025, arXiv:2407.03297. Needs `alphasCumprod`.
 * @throws {RangeError} if the context is invalid, or an option is unknown or out of range
 */
export function laplaceTimesteps(context: ScheduleContext, options?: Partial<LaplaceOptions>): TimestepSchedule {
  requireContext('laplace', context);
  const { mu, b } = resolveOptions('laplace', laplaceDefaults, options);
  checkNumber('laplace: mu', mu);
  checkPositive('laplace: b', b);
  return byMass(
    'laplace',
    context,
    'logSnr',
    (x) => Math.exp(-Math.abs(x - mu) / b),
    (u) => (u < 0.5 ? mu - b * Math.log(2 * u) : mu + b * Math.log(2 * (1 - u))),
  );
}

// Flow time s in (0, 1): logit-normal, mode, CosMap
// --------------------------------------------------------------------

// Sec. 3.1 of Esser et al. 2024, arXiv:2403.03206 (Stable Diffusion 3), with rectified flow and a velocity loss. Here
// they are converted to a variance-preserving schedule by mass, at equal noise-to-signal ratio.

export interface LogitNormalOptions {
  /** Mean of logit(s); negative favors the data end, positive the noise end. Default 0. */
  readonly mean: number;
  /** Standard deviation of logit(s), > 0. Default 1. */
  readonly std: number;
}

export const logitNormalDefaults: LogitNormalOptions = { mean: 0, std: 1 };

/**
 * Timesteps with logit(s) ~ N(mean, std^2), that is, a density ∝ exp(-(logit s - mean)^2 / (2 std^2)) / (s (1 - s))
 * over flow time s: Sec. 3.1 of Esser et al. 2024, arXiv:2403.03206. Needs `alphasCumprod`.
 * @throws {RangeError} if the context is invalid, or an option is unknown or out of range
 */
export function logitNormalTimesteps(
  context: ScheduleContext,
  options?: Partial<LogitNormalOptions>,
): TimestepSchedule {
  requireContext('logitNormal', context);
  const { mean, std } = resolveOptions('logitNormal', logitNormalDefaults, options);
  checkNumber('logitNormal: mean', mean);
  checkPositive('logitNormal: std', std);
  const density = (s: number): number => {
    if (s <= 0 || s >= 1) return 0;
    const logit = Math.log(s) - Math.log1p(-s);
    return Math.exp(-((logit - mean) ** 2) / (2 * std ** 2)) / (s * (1 - s));
  };
  return byMass(
    'logitNormal',
    context,
    'flowTime',
    density,
    (u) => 1 / (1 + Math.exp(-mean - std * normalQuantile(u))),
  );
}

export interface ModeOptions {
  /**
   * In (-1, 2 / (pi - 2)), so that the density is bounded: 0 is uniform in s, positive values favor the middle,
   * negative the ends. Default 1.29.
   */
  readonly scale: number;
}

export const modeDefaults: ModeOptions = { scale: 1.29 };

/**
 * Mode sampling with heavy tails: s = f(u) = 1 - u - scale (cos^2(pi u / 2) - 1 + u) for uniform u, Sec. 3.1 of Esser
 * et al. 2024, arXiv:2403.03206. The density is 1 / |f'(u)| at u = f^-1(s), with f'(u) = -1 - scale + scale (pi / 2)
 * sin(pi u); f is decreasing and inverted by bisection. Needs `alphasCumprod`.
 * @throws {RangeError} if the context is invalid, or an option is unknown or out of range
 */
export function modeTimesteps(context: ScheduleContext, options?: Partial<ModeOptions>): TimestepSchedule {
  requireContext('mode', context);
  const { scale } = resolveOptions('mode', modeDefaults, options);
  const max = 2 / (Math.PI - 2);
  checkNumber('mode: scale', scale, 'in (-1, 2 / (pi - 2))', (v) => v > -1 && v < max);
  const f = (u: number): number => 1 - u - scale * (Math.cos((Math.PI * u) / 2) ** 2 - 1 + u);
  const density = (s: number): number => {
    let low = 0;
    let high = 1;
    for (let i = 0; i < 60; i++) {
      const middle = (low + high) / 2;
      if (f(middle) > s) low = middle;
      else high = middle;
    }
    return 1 / Math.abs(-1 - scale + scale * (Math.PI / 2) * Math.sin((Math.PI * (low + high)) / 2));
  };
  return byMass('mode', context, 'flowTime', density, (u) => f(1 - u));
}

/**
 * CosMap: density 2 / (pi - 2 pi s + 2 pi s^2) over flow time s, the noise levels of the cosine schedule. Sec. 3.1 of
 * Esser et al. 2024, arXiv:2403.03206. No options. Needs `alphasCumprod`.
 * @throws {RangeError} if the context is invalid, or any option is given
 */
export function cosmapTimesteps(context: ScheduleContext, options?: Record<string, never>): TimestepSchedule {
  requireContext('cosmap', context);
  resolveOptions('cosmap', {}, options);
  return byMass(
    'cosmap',
    context,
    'flowTime',
    (s) => 2 / (Math.PI * (1 - 2 * s + 2 * s * s)),
    (u) => 1 - 1 / (Math.tan((Math.PI / 2) * u) + 1),
  );
}

// Flow time s: sigmoid and inverted parabola, as in OneTrainer
// ----------------------------------------------------------------

// https://github.com/Nerogar/OneTrainer, modules/modelSetup/mixin/ModelSetupNoiseMixin.py: the weight and the bias are its
// noising weight and noising bias.

export interface WeightBiasOptions {
  /** How much the density varies, >= 0; 0 is uniform. */
  readonly weight: number;
  /** Offset of the center from s = 0.5; positive values move it to the noise end. Default 0. */
  readonly bias: number;
}

/** Rises by a factor of 7.4 from s = 0 to 1. Our choice; OneTrainer's default weight 0 is uniform. */
export const sigmoidDefaults: WeightBiasOptions = { weight: 4, bias: 0 };
/** 6 s (1 - s), that is Beta(2, 2). Our choice; OneTrainer's default weight 0 is uniform. */
export const invertedParabolaDefaults: WeightBiasOptions = { weight: 8, bias: 0 };

/**
 * Flow times with a density ∝ 1 / (1 + exp(-weight (s - 0.5 - bias))), which favors the noise end. Not to be confused
 * with the sigmoid of a normal variable, which is `logitNormal`. Needs `alphasCumprod`.
 * @throws {RangeError} if the context is invalid, or an option is unknown or out of range
 */
export function sigmoidTimesteps(context: ScheduleContext, options?: Partial<WeightBiasOptions>): TimestepSchedule {
  requireContext('sigmoid', context);
  const { weight, bias } = weightAndBias('sigmoid', sigmoidDefaults, options);
  return byMass('sigmoid', context, 'flowTime', (s) => 1 / (1 + Math.exp(-weight * (s - 0.5 - bias))));
}

/**
 * Flow times with a density ∝ max(0, 2 - weight (s - 0.5 - bias)^2), which favors the center. Needs `alphasCumprod`.
 * @throws {RangeError} if the context is invalid, an option is unknown or out of range, or the density is 0 everywhere
 */
export function invertedParabolaTimesteps(
  context: ScheduleContext,
  options?: Partial<WeightBiasOptions>,
): TimestepSchedule {
  requireContext('invertedParabola', context);
  const { weight, bias } = weightAndBias('invertedParabola', invertedParabolaDefaults, options);
  return byMass('invertedParabola', context, 'flowTime', (s) => Math.max(0, 2 - weight * (s - 0.5 - bias) ** 2));
}

function weightAndBias(
  name: string,
  defaults: WeightBiasOptions,
  options: Partial<WeightBiasOptions> | undefined,
): WeightBiasOptions {
  const resolved = resolveOptions(name, defaults, options);
  checkNonNegative(`${name}: weight`, resolved.weight);
  checkNumber(`${name}: bias`, resolved.bias);
  return resolved;
}

// Beta in t / T
// --------------------------------------------------------------------------------------------------------

export interface BetaOptions {
  /** First parameter of the Beta distribution, > 0; values below 1 favor small t, 1 with b 1 is uniform. Default 0.8. */
  readonly a: number;
  /** Second parameter, > 0; values below 1 favor large t. Default 1. */
  readonly b: number;
}

export const betaDefaults: BetaOptions = { a: 0.8, b: 1 };

/**
 * Timesteps with t / T ~ Beta(a, b), integrated over each timestep: p_t = ((t + 1) / T)^a - (t / T)^a for b = 1. B-TTDM,
 * Zheng et al. 2024, https://doi.org/10.1007/978-3-031-72646-0_7, uses a < 1 and b = 1; the default 0.8 is our choice.
 * @throws {RangeError} if the context is invalid, or an option is unknown or out of range
 */
export function betaTimesteps(context: ScheduleContext, options?: Partial<BetaOptions>): TimestepSchedule {
  requireContext('beta', context);
  const { a, b } = resolveOptions('beta', betaDefaults, options);
  checkPositive('beta: a', a);
  checkPositive('beta: b', b);
  const { numTimesteps: T, continuous } = context;
  const cdf = (x: number): number => (b === 1 ? x ** a : incompleteBeta(x, a, b));
  const density = Float64Array.from({ length: T }, (_, t) => cdf((t + 1) / T) - cdf(t / T));
  return staticSchedule('beta', density, { continuous });
}

/** A static schedule by mass, with exact quantiles over continuous noise levels if they have a closed form. */
function byMass(
  name: string,
  context: ScheduleContext,
  coordinate: DensityCoordinate,
  density: (c: number) => number,
  quantile?: ClosedForm['quantile'],
): TimestepSchedule {
  const { continuous } = context;
  return staticSchedule(name, densityByMass(name, context, coordinate, density), {
    continuous,
    ...(quantile && { closedForm: { coordinate, quantile } }),
  });
}
