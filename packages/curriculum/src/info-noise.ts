import { adaptiveDefaults, adaptiveSchedule, type AdaptiveOptions } from './adaptive-density.js';
import { resolveOptions } from './checks.js';
import { requireAlphasCumprod, requireContext, type ScheduleContext } from './context.js';
import { convertWeight } from './loss-weights.js';
import type { TimestepSchedule } from './schedule.js';
import { cellWidths } from './transfer.js';

/**
 * InfoNoise, Raya et al. 2026, arXiv:2602.18647: timesteps in proportion to the rate at which the noisy image loses
 * information about the clean one. By the I-MMSE relation dI / dSNR = mmse / 2, with the squared error of x0 as mmse,
 *
 *   q_t ∝ |dSNR_t| mmse_t / 2 = |d ln SNR_t| SNR_t mmse_t / 2,
 *
 * and the losses of training, converted from errors of `context.prediction` to errors of x0, estimate mmse_t. The running
 * means of SNR mmse over intervals of t, and the uniform share, are our reading; the paper smooths over ln sigma. Loss
 * weights stay as they are. Needs `alphasCumprod`; with `continuous`, it has the cells' centers, and may be left out unless the
 * flow time is shifted.
 * @throws {RangeError} if the context is invalid, or an option is unknown or out of range
 */
export function infoNoise(context: ScheduleContext, options?: Partial<AdaptiveOptions>): TimestepSchedule {
  const name = 'infoNoise';
  requireContext(name, context);
  const { prediction = 'epsilon', sigmaData = 0.5 } = context;
  // The losses belong to the noise levels themselves, whatever the coordinate.
  const levels = context.alphasCumprod === undefined ? context : { ...context, continuous: undefined };
  const width = cellWidths(name, levels, 'logSnr');
  const toRate = convertWeight(prediction, sigmaData, (snr) => snr);
  // A timestep without signal (zero terminal SNR) has width 0 and carries no information.
  const rates = Float64Array.from(requireAlphasCumprod(name, levels), (abar) => {
    return abar > 0 && abar < 1 ? toRate(abar / (1 - abar)) : 0;
  });
  return adaptiveSchedule(context, {
    ...resolveOptions(name, adaptiveDefaults, options),
    name,
    value: (loss, t) => rates[t]! * loss,
    mass: (mean, t) => width[t]! * mean,
  });
}
