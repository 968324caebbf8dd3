/**
 * Relatives of CLTS. Two are controls that tell what a gain comes from, one keeps the objective as it was, and one
 * states CLTS in a coordinate that means the same on every noise schedule. All take the options of `clts`.
 */
import { clts, cltsDefaults, cltsDensity, cltsParts, type CltsOptions } from './clts.js';
import type { ScheduleContext } from './context.js';
import { discreteSchedule, importanceWeights, staticSchedule } from './discrete.js';
import { resolveOptions } from './checks.js';
import type { TimestepSchedule } from './schedule.js';

/** CLTS run backwards: concentrated first, uniform last; lambda(totalSteps - 1 - step). Does the direction matter? */
export function cltsReversed(context: ScheduleContext, options?: Partial<CltsOptions>): TimestepSchedule {
  const resolved = resolveOptions('cltsReversed', cltsDefaults, options);
  const { gaussian, lambda } = cltsParts(context, resolved);
  const last = context.totalSteps - 1;
  return discreteSchedule({
    name: 'cltsReversed',
    numTimesteps: context.numTimesteps,
    density: (step) => cltsDensity(gaussian, lambda(Math.max(0, last - step))),
    ...(resolved.importanceCorrection && { weights: importanceWeights }),
  });
}

/**
 * The mean of CLTS's densities over steps 0 .. totalSteps - 1, at every step: sees each timestep as often over the run,
 * without a curriculum. The mean of the mixtures is the mixture at the mean of lambda.
 */
export function cltsTimeAverage(context: ScheduleContext, options?: Partial<CltsOptions>): TimestepSchedule {
  const resolved = resolveOptions('cltsTimeAverage', cltsDefaults, options);
  const { gaussian, lambda } = cltsParts(context, resolved);
  let sum = 0;
  for (let step = 0; step < context.totalSteps; step++) sum += lambda(step);
  return staticSchedule(
    'cltsTimeAverage',
    cltsDensity(gaussian, sum / context.totalSteps),
    resolved.importanceCorrection ? importanceWeights : undefined,
  );
}

/** CLTS with importance weights 1 / (T p_t): the objective of uniform training, only its variance changes. */
export function cltsCorrected(context: ScheduleContext, options?: Partial<CltsOptions>): TimestepSchedule {
  return { ...clts(context, { ...options, importanceCorrection: true }), name: 'cltsCorrected' };
}

/** CLTS in logSNR: center 0 (signal equals noise), sigma 2. Needs `alphasCumprod`; carries over between schedules. */
export function cltsLogSnr(context: ScheduleContext, options?: Partial<CltsOptions>): TimestepSchedule {
  const inLogSnr: Partial<CltsOptions> = { coordinate: 'logSnr', mu: 0, sigma: 2 };
  return { ...clts(context, { ...inLogSnr, ...options }), name: 'cltsLogSnr' };
}
