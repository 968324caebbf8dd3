import { checkInRange, checkInteger, checkNonNegative } from '@dm/ops';
import { type NoiseSchedule, scheduleFromBetas } from './schedule.js';

export interface CosineOptions {
  /** T. Default 1000. */
  readonly numTimesteps?: number;
  /** s, which keeps the first betas from being too small. Default 0.008. */
  readonly offset?: number;
  /** Upper bound of beta, which avoids a singularity at the last step. Default 0.999. */
  readonly maxBeta?: number;
}

/**
 * beta_t = min(1 - f(t+1) / f(t), maxBeta), f(t) = cos^2((t/T + s) / (1 + s) pi/2). Eq. 17 of Nichol & Dhariwal 2021,
 * arXiv:2102.09672; `squaredcos_cap_v2` in diffusers.
 * @throws {RangeError} if numTimesteps < 1, offset is negative, or maxBeta is outside (0, 1)
 */
export function cosineSchedule({
  numTimesteps = 1000,
  offset = 0.008,
  maxBeta = 0.999,
}: CosineOptions = {}): NoiseSchedule {
  checkInteger('cosineSchedule: numTimesteps', numTimesteps, 1);
  checkNonNegative('cosineSchedule: offset', offset);
  checkInRange('cosineSchedule: maxBeta', maxBeta, '(0, 1)');
  const f = (t: number): number => Math.cos((((t / numTimesteps + offset) / (1 + offset)) * Math.PI) / 2) ** 2;
  const betas = Float64Array.from({ length: numTimesteps }, (_, t) => Math.min(1 - f(t + 1) / f(t), maxBeta));
  return scheduleFromBetas(betas, 'cosine');
}
