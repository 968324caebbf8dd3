import { checkInRange, checkInteger, checkPositive } from '@dm/ops';
import { lrSchedule, progress, type StepSchedule } from './step-schedule.js';

export interface DecayOptions {
  /** Learning rate at step 0, > 0. */
  readonly lr: number;
  /** Optimizer steps until the final value, >= 1; the rate is constant after them. */
  readonly totalSteps: number;
  /** Final value as a fraction of `lr`, in [0, 1]. Default 0. */
  readonly finalRatio?: number;
}

function checkDecay(owner: string, { lr, totalSteps, finalRatio = 0 }: DecayOptions): Required<DecayOptions> {
  checkPositive(`${owner}: lr`, lr);
  checkInteger(`${owner}: totalSteps`, totalSteps, 1);
  checkInRange(`${owner}: finalRatio`, finalRatio, '[0, 1]');
  return { lr, totalSteps, finalRatio };
}

/**
 * A constant learning rate.
 * @throws {RangeError} if lr is not > 0
 */
export function constantLr(lr: number): StepSchedule {
  checkPositive('constantLr: lr', lr);
  return () => lr;
}

/**
 * Linear decay: lr (1 - (1 - finalRatio) tau), tau = step / totalSteps.
 * @throws {RangeError} if lr is not > 0, totalSteps is not an integer >= 1, or finalRatio is not in [0, 1]
 */
export function linearLr(options: DecayOptions): StepSchedule {
  const { lr, totalSteps, finalRatio } = checkDecay('linearLr', options);
  return (step) => lr * (1 - (1 - finalRatio) * progress(step, totalSteps));
}

/**
 * Cosine decay: lr (f + (1 - f) (1 + cos(pi tau)) / 2), f = finalRatio, tau = step / totalSteps. Eq. 5 of Loshchilov &
 * Hutter 2017, arXiv:1608.03983, without restarts.
 * @throws {RangeError} if lr is not > 0, totalSteps is not an integer >= 1, or finalRatio is not in [0, 1]
 */
export function cosineLr(options: DecayOptions): StepSchedule {
  const { lr, totalSteps, finalRatio: f } = checkDecay('cosineLr', options);
  return (step) => lr * (f + ((1 - f) * (1 + Math.cos(Math.PI * progress(step, totalSteps)))) / 2);
}

/**
 * Inverse square root decay: lr / sqrt(max(1, step / decaySteps)), constant up to `decaySteps`, as in Karras et al.
 * 2024, arXiv:2312.02696 (EDM2).
 * @throws {RangeError} if lr is not > 0, or decaySteps is not an integer >= 1
 */
export function inverseSqrtLr(options: { readonly lr: number; readonly decaySteps: number }): StepSchedule {
  const { lr, decaySteps } = options;
  checkPositive('inverseSqrtLr: lr', lr);
  checkInteger('inverseSqrtLr: decaySteps', decaySteps, 1);
  return (step) => lr / Math.sqrt(Math.max(1, step / decaySteps));
}

/**
 * Linear warmup: multiplies the schedule by min(1, (step + 1) / warmupSteps), so the rate is not 0 at step 0.
 * `warmupSteps` 0 means no warmup.
 * @throws {RangeError} if warmupSteps is not an integer >= 0, or the rate is below 0
 */
export function withWarmup(schedule: number | StepSchedule, warmupSteps: number): StepSchedule {
  checkInteger('withWarmup: warmupSteps', warmupSteps, 0);
  const lr = lrSchedule('withWarmup', schedule);
  return (step) => lr(step) * Math.min(1, (step + 1) / Math.max(1, warmupSteps));
}

/**
 * Linear warmup as in diffusers' `get_cosine_schedule_with_warmup` and similar functions: lr(0) step / warmupSteps,
 * which is 0 at step 0, followed by the schedule from its step 0. A decay that ends with the run needs `totalSteps -
 * warmupSteps` as its `totalSteps`.
 * @throws {RangeError} if warmupSteps is not an integer >= 0, or the rate is below 0
 */
export function afterWarmup(schedule: number | StepSchedule, warmupSteps: number): StepSchedule {
  checkInteger('afterWarmup: warmupSteps', warmupSteps, 0);
  const lr = lrSchedule('afterWarmup', schedule);
  return (step) => (step < warmupSteps ? (lr(0) * step) / warmupSteps : lr(step - warmupSteps));
}
