import { checkInteger } from './checks.js';
import { cellAlphasCumprod, checkLevels, type ContinuousLevels } from './continuous.js';
import type { WeightedPrediction } from './loss-weights.js';
import type { TimestepSchedule } from './schedule.js';

/**
 * What a schedule may need to know about the run; the same type for every schedule, so that they are interchangeable.
 */
export interface ScheduleContext {
  /** T, the number of diffusion steps, >= 1. */
  readonly numTimesteps: number;
  /**
   * Optimizer steps of the whole run as configured, >= 1; a run that a time budget ends earlier has the same number.
   */
  readonly totalSteps: number;
  /**
   * abar_t of the noise schedule, length T, strictly decreasing, in [0, 1]. Required by schedules whose density is a
   * function of the noise level (SNR, sigma, flow time).
   */
  readonly alphasCumprod?: ArrayLike<number>;
  /**
   * Continuous noise levels instead of timesteps of a discrete schedule: a range of noise levels, divided into
   * `numTimesteps` cells of equal width, which take the place of timesteps. `alphasCumprod` is not needed, and used only by
   * `infoNoise`.
   */
  readonly continuous?: ContinuousLevels | undefined;
  /** What the losses given to `update` are squared errors of. Default epsilon. */
  readonly prediction?: WeightedPrediction;
  /** Standard deviation of the data, of the prediction `edm`. Default 0.5. */
  readonly sigmaData?: number;
}

/** Creates a schedule. Unknown fields in `options` are an error. */
export type ScheduleFactory<Options> = (context: ScheduleContext, options?: Partial<Options>) => TimestepSchedule;

/** @throws {RangeError} if numTimesteps or totalSteps is not an integer >= 1, or `continuous` is invalid */
export function requireContext(owner: string, context: ScheduleContext): void {
  checkInteger(`${owner}: numTimesteps`, context.numTimesteps, 1);
  checkInteger(`${owner}: totalSteps`, context.totalSteps, 1);
  if (context.continuous) checkLevels(owner, context.continuous);
}

/**
 * Returns the context's alphasCumprod; with continuous noise levels those at the centers of the cells.
 * @throws {RangeError} if it is missing, its length is not T, or it is not strictly decreasing within [0, 1]
 */
export function requireAlphasCumprod(owner: string, context: ScheduleContext): ArrayLike<number> {
  const { alphasCumprod: abar, numTimesteps, continuous } = context;
  if (continuous) return cellAlphasCumprod(continuous, numTimesteps);
  if (abar === undefined) {
    throw new RangeError(`${owner}: the density depends on the noise level; pass alphasCumprod in the context`);
  }
  if (abar.length !== numTimesteps) {
    throw new RangeError(`${owner}: alphasCumprod has ${abar.length} entries, but numTimesteps is ${numTimesteps}`);
  }
  let previous = Infinity;
  for (let t = 0; t < numTimesteps; t++) {
    const a = abar[t]!;
    if (!(a >= 0 && a <= 1 && a < previous)) {
      throw new RangeError(
        `${owner}: alphasCumprod must be strictly decreasing within [0, 1]; entry ${t} is ${a}, after ${previous}`,
      );
    }
    previous = a;
  }
  return abar;
}
