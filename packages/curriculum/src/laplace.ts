import { requireContext, type ScheduleContext } from './context.js';
import { staticSchedule } from './discrete.js';
import { requireNumber, resolveOptions } from './options.js';
import type { TimestepSchedule } from './schedule.js';
import { densityByMass } from './transfer.js';

export interface LaplaceOptions {
  /** Center in logSNR. */
  readonly mu: number;
  /** Scale in logSNR, > 0. */
  readonly b: number;
}

export const laplaceDefaults: LaplaceOptions = { mu: 0, b: 0.5 };

/**
 * p(logSNR) = exp(-|logSNR - mu| / b) / (2 b): most training where signal and noise are equal.
 * Hang et al. 2025, arXiv:2407.03297. Needs `alphasCumprod`. Throws an Error on an impossible context and on an
 * unknown or impossible option.
 */
export function laplace(context: ScheduleContext, options?: Partial<LaplaceOptions>): TimestepSchedule {
  requireContext('laplace', context);
  const { mu, b } = resolveOptions('laplace', laplaceDefaults, options);
  requireNumber('laplace', 'mu', mu, 'a finite number', () => true);
  requireNumber('laplace', 'b', b, 'a number > 0', (v) => v > 0);
  return staticSchedule(
    'laplace',
    densityByMass('laplace', context, 'logSnr', (x) => Math.exp(-Math.abs(x - mu) / b)),
  );
}
