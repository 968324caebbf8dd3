import { checkInRange, checkInteger } from '@dm/ops';
import { linspace, type NoiseSchedule, scheduleFromBetas } from './schedule.js';

export interface BetaRange {
  /** T. Default 1000. */
  readonly numTimesteps?: number;
  /** beta_0, in (0, 1). */
  readonly betaStart?: number;
  /** beta_{T-1}, in (0, 1). */
  readonly betaEnd?: number;
}

/**
 * Betas evenly spaced from 1e-4 to 0.02. Section 4 of Ho et al. 2020, arXiv:2006.11239.
 * @throws {RangeError} if a beta is outside (0, 1), or numTimesteps < 1
 */
export function linearSchedule({
  numTimesteps = 1000,
  betaStart = 1e-4,
  betaEnd = 0.02,
}: BetaRange = {}): NoiseSchedule {
  checkBetaRange('linearSchedule', numTimesteps, betaStart, betaEnd);
  return scheduleFromBetas(linspace(betaStart, betaEnd, numTimesteps), 'linear');
}

export function checkBetaRange(owner: string, numTimesteps: number, betaStart: number, betaEnd: number): void {
  checkInteger(`${owner}: numTimesteps`, numTimesteps, 1);
  checkInRange(`${owner}: betaStart`, betaStart, '(0, 1)');
  checkInRange(`${owner}: betaEnd`, betaEnd, '(0, 1)');
}
