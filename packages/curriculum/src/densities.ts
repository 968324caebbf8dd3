/**
 * Densities over timesteps that stay the same during the whole run: the usual recipe and the published baselines. Those
 * that are written in a coordinate of the noise level (ln sigma, logSNR, flow time) come to a discrete schedule by
 * mass (`densityByMass`) and need `alphasCumprod` in the context.
 */
import { requireContext, type ScheduleContext, type ScheduleFactory } from './context.js';
import { staticSchedule } from './discrete.js';
import { checkNumber, checkPositive, resolveOptions } from './checks.js';
import type { TimestepSchedule } from './schedule.js';
import { densityByMass } from './transfer.js';

// Uniform --------------------------------------------------------------------------------------------------------------

/**
 * Uniform timesteps, p_t = 1/T: the usual recipe (Ho et al. 2020, arXiv:2006.11239, Algorithm 1). No options.
 * @throws {RangeError} on an impossible context and on any option
 */
export const uniformTimesteps: ScheduleFactory<Record<string, never>> = (context, options) => {
  requireContext('uniform', context);
  resolveOptions('uniform', {}, options);
  const { numTimesteps } = context;
  return staticSchedule('uniform', new Float64Array(numTimesteps).fill(1 / numTimesteps));
};

// Normal in ln sigma: EDM and EDM2 -------------------------------------------------------------------------------------

export interface LogNormalOptions {
  /** Mean of ln sigma. */
  readonly mean: number;
  /** Standard deviation of ln sigma, > 0. */
  readonly std: number;
}

/** ln sigma ~ N(-1.2, 1.2^2): Karras et al. 2022, arXiv:2206.00364, Table 1. Goes with the weight rule `edm`. */
const edmDefaults: LogNormalOptions = { mean: -1.2, std: 1.2 };
/** ln sigma ~ N(-0.4, 1): Karras et al. 2024, arXiv:2312.02696. Its learned u(sigma) is the trainer's field `uncertainty`. */
const edm2Defaults: LogNormalOptions = { mean: -0.4, std: 1 };

/** Timesteps by a normal density in ln sigma, EDM's defaults. Needs `alphasCumprod`. */
export function edmTimesteps(context: ScheduleContext, options?: Partial<LogNormalOptions>): TimestepSchedule {
  return logNormal('edm', context, resolveOptions('edm', edmDefaults, options));
}

/** Timesteps by a normal density in ln sigma, EDM2's defaults. Needs `alphasCumprod`. */
export function edm2Timesteps(context: ScheduleContext, options?: Partial<LogNormalOptions>): TimestepSchedule {
  return logNormal('edm2', context, resolveOptions('edm2', edm2Defaults, options));
}

function logNormal(name: string, context: ScheduleContext, { mean, std }: LogNormalOptions): TimestepSchedule {
  requireContext(name, context);
  checkNumber(`${name}: mean`, mean);
  checkPositive(`${name}: std`, std);
  const density = (x: number): number => Math.exp(-((x - mean) ** 2) / (2 * std ** 2));
  return staticSchedule(name, densityByMass(name, context, 'lnSigma', density));
}

// Laplace in logSNR ----------------------------------------------------------------------------------------------------

export interface LaplaceOptions {
  /** Center in logSNR. */
  readonly mu: number;
  /** Scale in logSNR, > 0. */
  readonly b: number;
}

const laplaceDefaults: LaplaceOptions = { mu: 0, b: 0.5 };

/**
 * p(logSNR) = exp(-|logSNR - mu| / b) / (2 b): most training at equal signal and noise. Hang et al. 2025,
 * arXiv:2407.03297. Needs `alphasCumprod`.
 * @throws {RangeError} on an impossible context and on an unknown or impossible option
 */
export function laplaceTimesteps(context: ScheduleContext, options?: Partial<LaplaceOptions>): TimestepSchedule {
  requireContext('laplace', context);
  const { mu, b } = resolveOptions('laplace', laplaceDefaults, options);
  checkNumber('laplace: mu', mu);
  checkPositive('laplace: b', b);
  return staticSchedule(
    'laplace',
    densityByMass('laplace', context, 'logSnr', (x) => Math.exp(-Math.abs(x - mu) / b)),
  );
}

// Flow time s in (0, 1): logit-normal, mode, CosMap --------------------------------------------------------------------

// Esser et al. 2024, arXiv:2403.03206 (Stable Diffusion 3), Sec. 3.1, brought to a variance-preserving schedule by mass at
// equal noise-to-signal ratio. The paper uses them with a velocity loss on rectified flow.

export interface LogitNormalOptions {
  /** Mean of logit(s); negative leans to the data, positive to the noise. */
  readonly mean: number;
  /** Standard deviation of logit(s), > 0. */
  readonly std: number;
}

const logitNormalDefaults: LogitNormalOptions = { mean: 0, std: 1 };

/**
 * logit(s) ~ N(mean, std^2): density exp(-(logit s - mean)^2 / (2 std^2)) / (s (1 - s)) up to a constant.
 * @throws {RangeError} on an impossible context and on an unknown or impossible option
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
  return staticSchedule('logitNormal', densityByMass('logitNormal', context, 'flowTime', density));
}

export interface ModeOptions {
  /** Scale, in (-1, 2 / (pi - 2)), for which the density is bounded: 0 is uniform in s, positive favors the middle, negative the ends. */
  readonly scale: number;
}

const modeDefaults: ModeOptions = { scale: 1.29 };

/**
 * Mode sampling with heavy tails: s = f(u) = 1 - u - scale (cos^2(pi u / 2) - 1 + u) for uniform u, so that the density
 * is 1 / |f'(u)| at u = f^-1(s), f'(u) = -1 - scale + scale (pi / 2) sin(pi u). f falls, so bisection inverts it.
 * @throws {RangeError} on an impossible context and on an unknown or impossible option
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
  return staticSchedule('mode', densityByMass('mode', context, 'flowTime', density));
}

/**
 * CosMap: density 2 / (pi - 2 pi s + 2 pi s^2), the cosine schedule's levels in flow time. No options.
 * @throws {RangeError} on an impossible context and on any option
 */
export function cosmapTimesteps(context: ScheduleContext, options?: Record<string, never>): TimestepSchedule {
  requireContext('cosmap', context);
  resolveOptions('cosmap', {}, options);
  return staticSchedule(
    'cosmap',
    densityByMass('cosmap', context, 'flowTime', (s) => 2 / (Math.PI * (1 - 2 * s + 2 * s * s))),
  );
}

// Beta in t / T --------------------------------------------------------------------------------------------------------

export interface BetaOptions {
  /** First parameter of the Beta distribution, > 0; below 1 small t are favored, 1 is uniform. */
  readonly a: number;
}

const betaDefaults: BetaOptions = { a: 0.8 };

/**
 * t / T ~ Beta(a, 1), by exact cells: p_t = ((t + 1) / T)^a - (t / T)^a. Zheng et al. 2024, "Beta-Tuned Timestep
 * Diffusion Model" (B-TTDM), ECCV 2024, which has a < 1. The default a = 0.8 is ours.
 * @throws {RangeError} on an impossible context and on an unknown or impossible option
 */
export function betaTimesteps(context: ScheduleContext, options?: Partial<BetaOptions>): TimestepSchedule {
  requireContext('beta', context);
  const { a } = resolveOptions('beta', betaDefaults, options);
  checkPositive('beta: a', a);
  const { numTimesteps: T } = context;
  const density = Float64Array.from({ length: T }, (_, t) => ((t + 1) / T) ** a - (t / T) ** a);
  return staticSchedule('beta', density);
}
