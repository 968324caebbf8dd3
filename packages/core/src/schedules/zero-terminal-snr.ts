import type { NoiseSchedule } from './schedule.js';

/**
 * The schedule shifted and scaled in sqrt(abar), so that its last step is pure noise (abar = 0 exactly) and its first
 * stays as it was. Algorithm 1 of Lin et al. 2023, arXiv:2305.08891. There the network must predict v, x0, flow or edm:
 * epsilon says nothing about the image at SNR 0.
 * @throws {RangeError} on a schedule of one step
 */
export function rescaleZeroTerminalSnr(schedule: NoiseSchedule): NoiseSchedule {
  const { alphasCumprod, numTimesteps, name } = schedule;
  if (numTimesteps < 2) {
    throw new RangeError(
      `rescaleZeroTerminalSnr: the schedule "${name}" has one timestep, which cannot be kept and zero`,
    );
  }
  const first = Math.sqrt(alphasCumprod[0]!);
  const last = Math.sqrt(alphasCumprod[numTimesteps - 1]!);
  const rescaled = alphasCumprod.map((abar) => (((Math.sqrt(abar) - last) * first) / (first - last)) ** 2);
  const betas = rescaled.map((abar, t) => 1 - abar / (t === 0 ? 1 : rescaled[t - 1]!));
  return { name: `${name}, zero terminal SNR`, numTimesteps, betas, alphasCumprod: rescaled };
}
