/**
 * The three densities over flow time s in (0, 1) of Esser et al. 2024, arXiv:2403.03206 (Stable Diffusion 3), Sec. 3.1,
 * brought to a variance-preserving schedule by mass at equal noise-to-signal ratio. The paper uses them with a velocity
 * loss on rectified flow. All need `alphasCumprod`.
 */
import { requireContext, type ScheduleContext } from './context.js';
import { staticSchedule } from './discrete.js';
import { requireNumber, resolveOptions } from './options.js';
import type { TimestepSchedule } from './schedule.js';
import { densityByMass } from './transfer.js';

export interface LogitNormalOptions {
  /** Mean of logit(s); negative leans to the data, positive to the noise. */
  readonly mean: number;
  /** Standard deviation of logit(s), > 0. */
  readonly std: number;
}

export const logitNormalDefaults: LogitNormalOptions = { mean: 0, std: 1 };

/**
 * logit(s) ~ N(mean, std^2): density exp(-(logit s - mean)^2 / (2 std^2)) / (s (1 - s)) up to a constant. Throws an
 * Error on an impossible context and on an unknown or impossible option.
 */
export function logitNormal(context: ScheduleContext, options?: Partial<LogitNormalOptions>): TimestepSchedule {
  requireContext('logitNormal', context);
  const { mean, std } = resolveOptions('logitNormal', logitNormalDefaults, options);
  requireNumber('logitNormal', 'mean', mean, 'a finite number', () => true);
  requireNumber('logitNormal', 'std', std, 'a number > 0', (v) => v > 0);
  const density = (s: number): number => {
    if (s <= 0 || s >= 1) return 0;
    const logit = Math.log(s) - Math.log1p(-s);
    return Math.exp(-((logit - mean) ** 2) / (2 * std ** 2)) / (s * (1 - s));
  };
  return staticSchedule('logitNormal', densityByMass('logitNormal', context, 'flowTime', density));
}

export interface ModeOptions {
  /** Scale, in (-1, 2 / (pi - 2)), where the density is bounded: 0 is uniform in s, positive favors the middle, negative the ends. */
  readonly scale: number;
}

export const modeDefaults: ModeOptions = { scale: 1.29 };

/**
 * Mode sampling with heavy tails: s = f(u) = 1 - u - scale (cos^2(pi u / 2) - 1 + u) for uniform u, so that the
 * density is 1 / |f'(u)| at u = f^-1(s), f'(u) = -1 - scale + scale (pi / 2) sin(pi u). f falls, so bisection inverts
 * it. Throws an Error on an impossible context and on an unknown or impossible option.
 */
export function mode(context: ScheduleContext, options?: Partial<ModeOptions>): TimestepSchedule {
  requireContext('mode', context);
  const { scale } = resolveOptions('mode', modeDefaults, options);
  const max = 2 / (Math.PI - 2);
  requireNumber('mode', 'scale', scale, 'in (-1, 2 / (pi - 2))', (v) => v > -1 && v < max);
  const f = (u: number): number => 1 - u - scale * (Math.cos((Math.PI * u) / 2) ** 2 - 1 + u);
  const density = (s: number): number => {
    let low = 0;
    let high = 1;
    for (let i = 0; i < 60; i++) {
      const middle = (low + high) / 2;
      if (f(middle) > s) low = middle;
      else high = middle;
    }
    return 1 / Math.abs(-1 - scale + scale * (Math.PI / 2) * Math.sin((Math.PI * (low + high)) / 2));
  };
  return staticSchedule('mode', densityByMass('mode', context, 'flowTime', density));
}

/**
 * CosMap: density 2 / (pi - 2 pi s + 2 pi s^2), the cosine schedule's levels in flow time. No options. Throws an
 * Error on an impossible context and on any option.
 */
export function cosmap(context: ScheduleContext, options?: Record<string, never>): TimestepSchedule {
  requireContext('cosmap', context);
  resolveOptions('cosmap', {}, options);
  return staticSchedule(
    'cosmap',
    densityByMass('cosmap', context, 'flowTime', (s) => 2 / (Math.PI * (1 - 2 * s + 2 * s * s))),
  );
}
