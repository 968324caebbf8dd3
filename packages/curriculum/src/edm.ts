import type { ScheduleContext } from './context.js';
import { requireContext } from './context.js';
import { staticSchedule } from './discrete.js';
import { requireNumber, resolveOptions } from './options.js';
import type { TimestepSchedule } from './schedule.js';
import { densityByMass } from './transfer.js';

export interface LogNormalOptions {
  /** Mean of ln sigma. */
  readonly mean: number;
  /** Standard deviation of ln sigma, > 0. */
  readonly std: number;
}

/** ln sigma ~ N(-1.2, 1.2^2): Karras et al. 2022, arXiv:2206.00364, Table 1. Goes with the weight rule `edm`. */
export const edmDefaults: LogNormalOptions = { mean: -1.2, std: 1.2 };
/** ln sigma ~ N(-0.4, 1): Karras et al. 2024, arXiv:2312.02696. Its learned u(sigma) is the trainer's field `uncertainty`. */
export const edm2Defaults: LogNormalOptions = { mean: -0.4, std: 1 };

/** Timesteps by a normal density in ln sigma, EDM's defaults. Needs `alphasCumprod`. */
export function edm(context: ScheduleContext, options?: Partial<LogNormalOptions>): TimestepSchedule {
  return logNormal('edm', context, resolveOptions('edm', edmDefaults, options));
}

/** Timesteps by a normal density in ln sigma, EDM2's defaults. Needs `alphasCumprod`. */
export function edm2(context: ScheduleContext, options?: Partial<LogNormalOptions>): TimestepSchedule {
  return logNormal('edm2', context, resolveOptions('edm2', edm2Defaults, options));
}

function logNormal(name: string, context: ScheduleContext, { mean, std }: LogNormalOptions): TimestepSchedule {
  requireContext(name, context);
  requireNumber(name, 'mean', mean, 'a finite number', () => true);
  requireNumber(name, 'std', std, 'a number > 0', (v) => v > 0);
  const density = (x: number): number => Math.exp(-((x - mean) ** 2) / (2 * std ** 2));
  return staticSchedule(name, densityByMass(name, context, 'lnSigma', density));
}
