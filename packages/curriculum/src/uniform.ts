import { requireContext, type ScheduleFactory } from './context.js';
import { staticSchedule } from './discrete.js';
import { resolveOptions } from './options.js';

/**
 * Uniform timesteps, p_t = 1/T: the usual recipe (Ho et al. 2020, arXiv:2006.11239, Algorithm 1). No options. Throws an
 * Error on an impossible context and on any option.
 */
export const uniform: ScheduleFactory<Record<string, never>> = (context, options) => {
  requireContext('uniform', context);
  resolveOptions('uniform', {}, options);
  const { numTimesteps } = context;
  return staticSchedule('uniform', new Float64Array(numTimesteps).fill(1 / numTimesteps));
};
