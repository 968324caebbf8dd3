import type { NoiseSchedule } from './schedule.js';

/**
 * Shifts and scales sqrt(abar), so that the last timestep is pure noise (abar = 0 exactly) and the first is unchanged.
 * Algorithm 1 of Lin et al. 2023, arXiv:2305.08891. Use it with v, x0, flow or edm predictions: at SNR 0 epsilon does
 * not determine the image.
 * @throws {RangeError} if the schedule has a single timestep
 */
export function rescaleZeroTerminalSnr(schedule: NoiseSchedule): NoiseSchedule {
  const { alphasCumprod, numTimesteps, name } = schedule;
  if (numTimesteps < 2) {
    throw new RangeError(`rescaleZeroTerminalSnr: the schedule "${name}" needs at least 2 timesteps`);
  }
  const first = Math.sqrt(alphasCumprod[0]!);
  const last = Math.sqrt(alphasCumprod[numTimesteps - 1]!);
  const rescaled = alphasCumprod.map((abar) => (((Math.sqrt(abar) - last) * first) / (first - last)) ** 2);
  const betas = rescaled.map((abar, t) => 1 - abar / (t === 0 ? 1 : rescaled[t - 1]!));
  return { name: `${name}, zero terminal SNR`, numTimesteps, betas, alphasCumprod: rescaled };
}
