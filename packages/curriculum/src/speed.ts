import { requireAlphasCumprod, requireContext, type ScheduleContext } from './context.js';
import { staticSchedule } from './discrete.js';
import { checkInRange, checkInteger, checkNumber, resolveOptions } from './checks.js';
import type { TimestepSchedule } from './schedule.js';

export interface SpeedOptions {
  /** Ratio of the probabilities of timesteps below tau and of the others, >= 1. Default 5. */
  readonly k: number;
  /** Number of favored timesteps, in [1, T]. Default null: 0.7 T (700 of 1000). */
  readonly tau: number | null;
  /**
   * Largest change-aware weight, in [0.5, 1]. Default 0.6; null disables it, and `alphasCumprod` is then not needed.
   */
  readonly weightCeiling: number | null;
}

export const speedDefaults: SpeedOptions = { k: 5, tau: null, weightCeiling: 0.6 };

/**
 * SpeeD, Wang et al. 2025, arXiv:2405.17403: p(t) = k / (T + tau (k - 1)) for the first tau timesteps and
 * 1 / (T + tau (k - 1)) for the others (asymmetric sampling), and loss weights that grow with the rate of change of the
 * noise (change-aware weighting).
 *
 * The weights are our reading of the paper's description, not the authors' formula: the differences of 1 - abar_t over
 * t, mapped affinely to [1 - weightCeiling, weightCeiling]. The authors' code uses 1 / (1 + SNR) on dual timesteps
 * instead.
 * @throws {RangeError} if the context is invalid, or an option is unknown or out of range
 */
export function speed(context: ScheduleContext, options?: Partial<SpeedOptions>): TimestepSchedule {
  requireContext('speed', context);
  const { numTimesteps: T, continuous } = context;
  const { k, weightCeiling, ...given } = resolveOptions('speed', speedDefaults, options);
  const tau = given.tau ?? Math.max(1, Math.round(0.7 * T));
  checkNumber('speed: k', k, 'a number >= 1', (v) => v >= 1);
  checkInteger('speed: tau', tau, 1);
  checkNumber('speed: tau', tau, `at most T = ${T}`, (v) => v <= T);
  const total = T + tau * (k - 1);
  const density = Float64Array.from({ length: T }, (_, t) => (t < tau ? k : 1) / total);
  if (weightCeiling === null) return staticSchedule('speed', density, { continuous });

  checkInRange('speed: weightCeiling', weightCeiling, '[0.5, 1]');
  const weight = changeAwareWeights(requireAlphasCumprod('speed', context), weightCeiling);
  return staticSchedule('speed', density, {
    weights: (_, timesteps) => Float32Array.from(timesteps, (t) => weight[t]!),
    continuous,
  });
}

/** The rate of change of 1 - abar, mapped affinely to [1 - ceiling, ceiling]; all `ceiling` if the rate is constant. */
function changeAwareWeights(abar: ArrayLike<number>, ceiling: number): Float64Array {
  const change = Float64Array.from(abar, (a, t) => (abar[t - 1] ?? 1) - a);
  let min = Infinity;
  let max = -Infinity;
  for (const c of change) {
    min = Math.min(min, c);
    max = Math.max(max, c);
  }
  const scale = max > min ? (2 * ceiling - 1) / (max - min) : 0;
  return change.map((c) => ceiling - scale * (max - c));
}
