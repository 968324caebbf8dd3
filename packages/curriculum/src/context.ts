import { checkInteger } from './checks.js';
import type { TimestepSchedule } from './schedule.js';

/** What a schedule may need to know about the run: the same for every schedule, so that they can be swapped by name. */
export interface ScheduleContext {
  /** T, the number of diffusion steps. */
  readonly numTimesteps: number;
  /** Optimizer steps of the whole run as configured; a time budget only stops a run and does not change it. */
  readonly totalSteps: number;
  /**
   * abar_t of the noise schedule, length T, strictly decreasing, in [0, 1]. Needed by the schedules whose density lives
   * in a coordinate of the noise level (SNR, sigma, flow time); they throw without it.
   */
  readonly alphasCumprod?: ArrayLike<number>;
}

/** Makes a schedule. `options` has the schedule's own named fields; unknown fields are refused. */
export type ScheduleFactory<Options> = (context: ScheduleContext, options?: Partial<Options>) => TimestepSchedule;

/**
 * @throws {RangeError} on an impossible T or number of steps
 */
export function requireContext(owner: string, context: ScheduleContext): void {
  checkInteger(`${owner}: numTimesteps`, context.numTimesteps, 1);
  checkInteger(`${owner}: totalSteps`, context.totalSteps, 1);
}

/**
 * abar of the context.
 * @throws {RangeError} if it is missing, has a length other than T, leaves [0, 1], or does not strictly decrease
 */
export function requireAlphasCumprod(owner: string, context: ScheduleContext): ArrayLike<number> {
  const { alphasCumprod: abar, numTimesteps } = context;
  if (abar === undefined) {
    throw new RangeError(`${owner}: this density lives in the noise level, so the context must have alphasCumprod`);
  }
  if (abar.length !== numTimesteps) {
    throw new RangeError(`${owner}: alphasCumprod has ${abar.length} entries, numTimesteps is ${numTimesteps}`);
  }
  let previous = Infinity;
  for (let t = 0; t < numTimesteps; t++) {
    const a = abar[t]!;
    if (!(a >= 0 && a <= 1 && a < previous)) {
      throw new RangeError(
        `${owner}: alphasCumprod must fall strictly within [0, 1]; entry ${t} is ${a} after ${previous}`,
      );
    }
    previous = a;
  }
  return abar;
}
