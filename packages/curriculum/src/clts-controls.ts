/**
 * Variants of CLTS: two experimental controls (`cltsReversed`, `cltsTimeAverage`), CLTS with an unbiased objective, CLTS
 * in logSNR, and CLTS with the values of a public port (`cltsWide`). All take the options of `clts`.
 */
import { clts, cltsDefaults, cltsParts, resolveCltsOptions, type CltsOptions } from './clts.js';
import type { ScheduleContext } from './context.js';
import { importanceWeights, mixtureDensity, mixtureSchedule, staticSchedule } from './discrete.js';
import type { TimestepSchedule } from './schedule.js';

/**
 * CLTS run backwards, with lambda(totalSteps - 1 - step): concentrated at first, uniform at the end. A control for the
 * direction of the curriculum.
 * @throws {RangeError} if the context is invalid, or an option is unknown or out of range
 */
export function cltsReversed(context: ScheduleContext, options?: Partial<CltsOptions>): TimestepSchedule {
  const resolved = resolveCltsOptions('cltsReversed', options);
  const { gaussian, lambda } = cltsParts(context, resolved);
  const last = context.totalSteps - 1;
  return mixtureSchedule('cltsReversed', {
    density: gaussian,
    lambda: (step) => lambda(Math.max(0, last - step)),
    isImportanceCorrected: resolved.importanceCorrection,
    continuous: context.continuous,
  });
}

/**
 * The mean of CLTS's densities over steps 0 .. totalSteps - 1, at every step. A control without a curriculum: over the
 * whole run each timestep is drawn as often as with CLTS. The mean of the mixtures is the mixture at the mean lambda.
 * @throws {RangeError} if the context is invalid, or an option is unknown or out of range
 */
export function cltsTimeAverage(context: ScheduleContext, options?: Partial<CltsOptions>): TimestepSchedule {
  const resolved = resolveCltsOptions('cltsTimeAverage', options);
  const { gaussian, lambda } = cltsParts(context, resolved);
  let sum = 0;
  for (let step = 0; step < context.totalSteps; step++) sum += lambda(step);
  return staticSchedule('cltsTimeAverage', mixtureDensity(gaussian, sum / context.totalSteps), {
    continuous: context.continuous,
    ...(resolved.importanceCorrection && { weights: importanceWeights }),
  });
}

/**
 * CLTS with importance weights 1 / (T p_t): the expected loss is the same as with uniform timesteps; only its variance
 * differs.
 * @throws {RangeError} if the context is invalid, an option is unknown or out of range, or `importanceCorrection` is false
 */
export function cltsCorrected(context: ScheduleContext, options?: Partial<CltsOptions>): TimestepSchedule {
  if (options?.importanceCorrection === false) {
    throw new RangeError('cltsCorrected: importanceCorrection must be true, got false; use clts without it');
  }
  return { ...clts(context, { ...options, importanceCorrection: true }), name: 'cltsCorrected' };
}

const inLogSnr: Partial<CltsOptions> = { coordinate: 'logSnr', mu: 0, sigma: 2 };

export const cltsLogSnrDefaults: CltsOptions = { ...cltsDefaults, ...inLogSnr };

/**
 * CLTS in logSNR, with mu 0 (signal equals noise) and sigma 2, which mean the same noise levels for every noise
 * schedule. Needs `alphasCumprod`.
 * @throws {RangeError} if the context is invalid, or an option is unknown or out of range
 */
export function cltsLogSnr(context: ScheduleContext, options?: Partial<CltsOptions>): TimestepSchedule {
  return { ...clts(context, { ...inLogSnr, ...options }), name: 'cltsLogSnr' };
}

const wide = { sigma: 0.5, lambdaMax: 1, rampShare: 0.75 } satisfies Partial<CltsOptions>;

export const cltsWideDefaults: CltsOptions = { ...cltsDefaults, ...wide };

/**
 * CLTS with the values of a third-party port, for text diffusion: a wide Gaussian (sigma 0.5), and a ramp to lambda 1 that
 * ends after 75% of the run. Of the readings of arXiv:2404.07946, the one nearest to public code.
 * @throws {RangeError} if the context is invalid, or an option is unknown or out of range
 */
export function cltsWide(context: ScheduleContext, options?: Partial<CltsOptions>): TimestepSchedule {
  const isTimed = options?.rampSteps != null && options.rampShare === undefined;
  const { sigma } = resolveCltsOptions('cltsWide', options, wide.sigma / cltsDefaults.sigma);
  return {
    ...clts(context, { ...wide, ...(isTimed && { rampShare: null }), ...options, sigma }),
    name: 'cltsWide',
  };
}
