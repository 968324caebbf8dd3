import { checkNumber } from '@dm/ops';
import type { NoiseSchedule } from '../schedules/schedule.js';

/**
 * One amount of noise: x_t = alpha x_0 + sigma epsilon. Variance preserving if alpha^2 + sigma^2 = 1, variance
 * exploding (EDM) if alpha = 1, rectified flow if alpha + sigma = 1. The signal-to-noise ratio is
 * alpha^2 / sigma^2.
 */
export interface NoiseLevel {
  /** The model's time input: the timestep, c_noise or the flow time. */
  readonly t: number;
  /** Scale of the image, at least 0. */
  readonly alpha: number;
  /** Scale of the noise, at least 0; not the noise-to-signal ratio sigma / alpha. */
  readonly sigma: number;
}

/** The noise levels of a sampling trajectory. */
export interface NoisePath {
  /** steps + 1 levels, from noise to image. The model is evaluated at all but the last. */
  readonly levels: readonly NoiseLevel[];
  /**
   * The level at which each step ends, if that is not the level at which the next one starts. For samplers whose steps
   * are independent of each other.
   */
  readonly ends?: readonly NoiseLevel[];
  /** Factor of the initial standard normal noise. */
  readonly initialScale: number;
  /** The level with this noise-to-signal ratio sigma / alpha, for samplers with churn. */
  readonly levelFromSigma?: (ratio: number) => NoiseLevel;
}

/** The level without noise. The model is never evaluated there, so its t only marks the end of the path. */
export const cleanLevel: NoiseLevel = { t: -1, alpha: 1, sigma: 0 };

/**
 * The level of timestep t in [0, T - 1]: alpha = sqrt(abar_t), sigma = sqrt(1 - abar_t). Between integer timesteps
 * ln(sigma / alpha) is interpolated linearly.
 * @throws {RangeError} if t is outside [0, T - 1]
 */
export function levelAt(schedule: NoiseSchedule, t: number): NoiseLevel {
  const last = schedule.numTimesteps - 1;
  checkNumber(`schedule "${schedule.name}": timestep`, t, `from 0 to ${last}`, (v) => v >= 0 && v <= last);
  const below = Math.floor(t);
  const abar = schedule.alphasCumprod[below]!;
  if (below === t) return { t, alpha: Math.sqrt(abar), sigma: Math.sqrt(1 - abar) };
  const above = schedule.alphasCumprod[below + 1]!;
  const logRatio = (1 - (t - below)) * halfLogit(1 - abar) + (t - below) * halfLogit(1 - above);
  return vpLevelFromSigma(t, Math.exp(logRatio));
}

/** The variance-preserving level whose noise-to-signal ratio sigma / alpha is `ratio`, in [0, Infinity]. */
export function vpLevelFromSigma(t: number, ratio: number): NoiseLevel {
  if (ratio > 1) return { t, alpha: 1 / ratio / Math.hypot(1 / ratio, 1), sigma: 1 / Math.hypot(1 / ratio, 1) };
  return { t, alpha: 1 / Math.hypot(ratio, 1), sigma: ratio / Math.hypot(ratio, 1) };
}

/** ln sqrt(p / (1 - p)). */
const halfLogit = (p: number): number => Math.log(p / (1 - p)) / 2;

/** lambda = ln(alpha / sigma), half the log-SNR: -Infinity at pure noise, Infinity without noise. */
export function halfLogSnr({ alpha, sigma }: Pick<NoiseLevel, 'alpha' | 'sigma'>): number {
  return Math.log(alpha / sigma);
}
