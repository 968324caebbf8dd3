import { requireContext, type ScheduleContext } from './context.js';
import { staticSchedule } from './discrete.js';
import { requireNumber, resolveOptions } from './options.js';
import type { TimestepSchedule } from './schedule.js';

export interface BetaOptions {
  /** First parameter of the Beta distribution, > 0; below 1 small t are favored, 1 is uniform. */
  readonly a: number;
}

export const betaDefaults: BetaOptions = { a: 0.8 };

/**
 * t / T ~ Beta(a, 1), by exact cells: p_t = ((t + 1) / T)^a - (t / T)^a. Zheng et al. 2024, "Beta-Tuned Timestep Diffusion
 * Model" (B-TTDM), ECCV 2024, which has a < 1. The default a = 0.8 is ours. Throws an Error on an impossible
 * context and on an unknown or impossible option.
 */
export function beta(context: ScheduleContext, options?: Partial<BetaOptions>): TimestepSchedule {
  requireContext('beta', context);
  const { a } = resolveOptions('beta', betaDefaults, options);
  requireNumber('beta', 'a', a, 'a number > 0', (v) => v > 0);
  const { numTimesteps: T } = context;
  const density = Float64Array.from({ length: T }, (_, t) => ((t + 1) / T) ** a - (t / T) ** a);
  return staticSchedule('beta', density);
}
