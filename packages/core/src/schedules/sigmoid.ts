import { type BetaRange, checkBetaRange } from './linear.js';
import { linspace, type NoiseSchedule, scheduleFromBetas } from './schedule.js';

/**
 * Betas on a sigmoid over [-6, 6] between 1e-4 and 0.02: GeoDiff (Xu et al. 2022, arXiv:2203.02923); `sigmoid` in
 * diffusers.
 * @throws {RangeError} if a beta is outside (0, 1), or numTimesteps < 1
 */
export function sigmoidSchedule({
  numTimesteps = 1000,
  betaStart = 1e-4,
  betaEnd = 0.02,
}: BetaRange = {}): NoiseSchedule {
  checkBetaRange('sigmoidSchedule', numTimesteps, betaStart, betaEnd);
  const betas = linspace(-6, 6, numTimesteps).map((x) => betaStart + (betaEnd - betaStart) / (1 + Math.exp(-x)));
  return scheduleFromBetas(betas, 'sigmoid');
}
