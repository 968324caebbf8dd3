import { checkInRange, resolveOptions } from './checks.js';
import { requireContext, type ScheduleContext } from './context.js';
import { logitNormalDefaults, logitNormalTimesteps, uniformTimesteps, type LogitNormalOptions } from './densities.js';
import type { TimestepSchedule } from './schedule.js';

export interface CurriculumSamplingOptions extends LogitNormalOptions {
  /** Fraction of the run with the logit-normal density, in [0, 1]; the rest is uniform. Default 0.6. */
  readonly share: number;
}

export const curriculumSamplingDefaults: CurriculumSamplingOptions = { ...logitNormalDefaults, share: 0.6 };

/**
 * Curriculum sampling: logit-normal flow times, then uniform timesteps, Sun 2026, arXiv:2603.12517. The middle of the
 * trajectory comes first and its ends are refined later, the opposite order to CLTS. The change is abrupt, before step
 * round(share totalSteps). Needs `alphasCumprod`.
 * @throws {RangeError} if the context is invalid, or an option is unknown or out of range
 */
export function curriculumSampling(
  context: ScheduleContext,
  options?: Partial<CurriculumSamplingOptions>,
): TimestepSchedule {
  const name = 'curriculumSampling';
  requireContext(name, context);
  const { share, ...logitNormal } = resolveOptions(name, curriculumSamplingDefaults, options);
  checkInRange(`${name}: share`, share, '[0, 1]');
  const early = logitNormalTimesteps(context, logitNormal);
  const late = uniformTimesteps(context);
  const end = Math.round(share * context.totalSteps);
  const at = (step: number): TimestepSchedule => (step < end ? early : late);
  return {
    name,
    numTimesteps: context.numTimesteps,
    density: (step) => at(step).density(step),
    sample: (step, u) => at(step).sample(step, u),
    ...(context.continuous && { quantile: (step, u) => at(step).quantile!(step, u) }),
    mixture: { ...early.mixture!, lambda: (step) => (step < end ? 1 : 0) },
  };
}
