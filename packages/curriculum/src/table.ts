/** Tables of schedules and summaries of densities, for use outside this package. */
import { checkInteger } from './checks.js';
import { mixtureDensity } from './discrete.js';
import type { TimestepSchedule } from './schedule.js';

/**
 * A schedule as arrays, from which other programs can sample: at a step, p = (1 - lambda) / T + lambda density, and an
 * example's loss is multiplied by weights[t], and by 1 / (T p[t]) if `isImportanceCorrected`.
 */
export interface CurriculumTable {
  /** [T], sums to 1. */
  readonly density: Float64Array;
  /** lambda of each optimizer step, in [0, 1]: [totalSteps], or [1] if it is constant. Later steps use the last one. */
  readonly lambda: Float64Array;
  readonly isImportanceCorrected: boolean;
  /** [T] */
  readonly weights: Float64Array;
}

/**
 * The table of a schedule for a run of `totalSteps` optimizer steps.
 * @throws {RangeError} if the schedule is not a mixture, since it adapts to losses, or totalSteps is not an integer >= 1
 */
export function curriculumTable(schedule: TimestepSchedule, totalSteps: number): CurriculumTable {
  checkInteger('curriculumTable: totalSteps', totalSteps, 1);
  const { density, lambda, isImportanceCorrected, weights } = requireMixture('curriculumTable', schedule);
  const all = Float64Array.from({ length: totalSteps }, (_, step) => lambda(step));
  return {
    density: density.slice(),
    lambda: all.every((value) => value === all[0]) ? all.slice(0, 1) : all,
    isImportanceCorrected,
    weights: weights.slice(),
  };
}

/** The density of a schedule at one step, in numbers. */
export interface DensitySummary {
  readonly step: number;
  /** Probability of each timestep: [T]. */
  readonly density: Float64Array;
  /** For each requested quantile q the smallest t with P(timestep <= t) >= q. */
  readonly quantiles: readonly number[];
  /** `effectiveSampleSize` of the density. */
  readonly effectiveSampleSize: number;
}

/**
 * Summarizes the density of a schedule at `step`. `quantiles` are in [0, 1].
 * @throws {RangeError} if the schedule is not a mixture, since it adapts to losses
 */
export function summarizeDensity(
  schedule: TimestepSchedule,
  step: number,
  quantiles: readonly number[],
): DensitySummary {
  const { density: g, lambda } = requireMixture('summarizeDensity', schedule);
  const density = mixtureDensity(g, lambda(step));
  let sum = 0;
  const cdf = density.map((p) => (sum += p));
  const at = (q: number): number => {
    const t = cdf.findIndex((c) => c >= q);
    // Rounding may leave the last sum below 1.
    return t === -1 ? density.length - 1 : t;
  };
  return { step, density, quantiles: quantiles.map(at), effectiveSampleSize: effectiveSampleSize(density) };
}

/**
 * Effective sample size of a batch with importance weights w = 1 / (T p_t), as a fraction of its size:
 * E[w]^2 / E[w^2] = 1 / sum_t 1 / (T^2 p_t), in [0, 1]; 1 for the uniform density, 0 if any timestep has probability 0.
 * Kong, Liu, Wong 1994, https://doi.org/10.1080/01621459.1994.10476469.
 */
export function effectiveSampleSize(density: ArrayLike<number>): number {
  let sum = 0;
  for (let t = 0; t < density.length; t++) sum += 1 / (density.length ** 2 * density[t]!);
  return 1 / sum;
}

function requireMixture(owner: string, schedule: TimestepSchedule) {
  if (schedule.mixture === undefined) {
    throw new RangeError(
      `${owner}: "${schedule.name}" adapts to the losses of a run, so its density is not known before`,
    );
  }
  return schedule.mixture;
}
