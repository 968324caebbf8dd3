import { adaptiveDefaults, adaptiveSchedule, type AdaptiveOptions } from './adaptive-density.js';
import { checkNonNegative, resolveOptions } from './checks.js';
import { requireContext, type ScheduleContext } from './context.js';
import type { TimestepSchedule } from './schedule.js';

export interface ExcessLossOptions extends AdaptiveOptions {
  /**
   * Loss that training can reach at best in each interval of t, >= 0: [bins], from the cleanest, such as the losses of a
   * longer run. Its length replaces `bins`. Default null: 0 everywhere, so that the density follows the loss itself.
   */
  readonly reference: readonly number[] | null;
}

export const excessLossDefaults: ExcessLossOptions = { ...adaptiveDefaults, reference: null };

/**
 * Timesteps in proportion to the excess of their loss over a reference, q_t ∝ max(0, loss - reference): most steps go to
 * the noise levels that have most left to learn. Excess over the loss of a reference model is the criterion of Xie et al.
 * 2023, arXiv:2305.10429 (DoReMi), for domains of text; to use it for timesteps is ours.
 * @throws {RangeError} if the context is invalid, or an option is unknown or out of range
 */
export function excessLoss(context: ScheduleContext, options?: Partial<ExcessLossOptions>): TimestepSchedule {
  const name = 'excessLoss';
  requireContext(name, context);
  const { reference, ...rest } = resolveOptions(name, excessLossDefaults, options);
  const { length = rest.bins } = reference ?? {};
  if (reference !== null && (length < 1 || length > context.numTimesteps)) {
    throw new RangeError(`${name}: reference must have 1 to T = ${context.numTimesteps} numbers, got ${length}`);
  }
  for (const [i, loss] of reference?.entries() ?? []) checkNonNegative(`${name}: reference[${i}]`, loss);
  return adaptiveSchedule(context, {
    ...rest,
    bins: length,
    name,
    value: (loss) => loss,
    mass: (mean, _t, bin) => Math.max(0, mean - (reference?.[bin] ?? 0)),
  });
}
