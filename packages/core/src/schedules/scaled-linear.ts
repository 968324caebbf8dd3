import { type BetaRange, checkBetaRange } from './linear.js';
import { linspace, type NoiseSchedule, scheduleFromBetas } from './schedule.js';

/**
 * Betas whose square roots are evenly spaced, from 0.00085 to 0.012: as in latent diffusion and Stable Diffusion
 * (Rombach et al. 2022, arXiv:2112.10752); `scaled_linear` in diffusers.
 * @throws {RangeError} if a beta is outside (0, 1), or numTimesteps < 1
 */
export function scaledLinearSchedule({
  numTimesteps = 1000,
  betaStart = 0.00085,
  betaEnd = 0.012,
}: BetaRange = {}): NoiseSchedule {
  checkBetaRange('scaledLinearSchedule', numTimesteps, betaStart, betaEnd);
  const roots = linspace(Math.sqrt(betaStart), Math.sqrt(betaEnd), numTimesteps);
  return scheduleFromBetas(
    roots.map((root) => root * root),
    'scaled-linear',
  );
}
