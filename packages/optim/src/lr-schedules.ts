import { checkInRange, checkInteger, checkPositive } from '@dm/ops';
import { asSchedule, progress, type StepSchedule } from './step-schedule.js';

export interface DecayOptions {
  /** Learning rate at step 0, > 0. */
  readonly lr: number;
  /** Steps over which it decays; afterwards it stays at its last value. */
  readonly totalSteps: number;
  /** Value at the end as a share of `lr`, in [0, 1]; 0 by default. */
  readonly finalRatio?: number;
}

function checkDecay(owner: string, { lr, totalSteps, finalRatio = 0 }: DecayOptions): Required<DecayOptions> {
  checkPositive(`${owner}: lr`, lr);
  checkInteger(`${owner}: totalSteps`, totalSteps, 1);
  checkInRange(`${owner}: finalRatio`, finalRatio, '[0, 1]');
  return { lr, totalSteps, finalRatio };
}

/**
 * The same learning rate at every step.
 * @throws {RangeError} unless lr > 0
 */
export function constantLr(lr: number): StepSchedule {
  checkPositive('constantLr: lr', lr);
  return () => lr;
}

/**
 * lr (1 - (1 - finalRatio) tau), tau = step / totalSteps.
 * @throws {RangeError} unless lr > 0, totalSteps >= 1 and finalRatio is in [0, 1]
 */
export function linearLr(options: DecayOptions): StepSchedule {
  const { lr, totalSteps, finalRatio } = checkDecay('linearLr', options);
  return (step) => lr * (1 - (1 - finalRatio) * progress(step, totalSteps));
}

/**
 * lr (f + (1 - f) (1 + cos(pi tau)) / 2), f = finalRatio. Loshchilov & Hutter 2017, arXiv:1608.03983, Eq. 5.
 * @throws {RangeError} unless lr > 0, totalSteps >= 1 and finalRatio is in [0, 1]
 */
export function cosineLr(options: DecayOptions): StepSchedule {
  const { lr, totalSteps, finalRatio: f } = checkDecay('cosineLr', options);
  return (step) => lr * (f + ((1 - f) * (1 + Math.cos(Math.PI * progress(step, totalSteps)))) / 2);
}

/**
 * lr / sqrt(max(1, step / decaySteps)): constant up to `decaySteps`. Karras et al. 2024, arXiv:2312.02696.
 * @throws {RangeError} unless lr > 0 and decaySteps >= 1
 */
export function inverseSqrtLr(options: { readonly lr: number; readonly decaySteps: number }): StepSchedule {
  const { lr, decaySteps } = options;
  checkPositive('inverseSqrtLr: lr', lr);
  checkInteger('inverseSqrtLr: decaySteps', decaySteps, 1);
  return (step) => lr / Math.sqrt(Math.max(1, step / decaySteps));
}

/**
 * Multiplies the first steps of a schedule by (step + 1) / warmupSteps, so that step 0 already moves. 0 means none.
 * @throws {RangeError} on anything but a whole number of at least 0
 */
export function withWarmup(schedule: number | StepSchedule, warmupSteps: number): StepSchedule {
  checkInteger('withWarmup: warmupSteps', warmupSteps, 0);
  const lr = asSchedule(schedule);
  return (step) => lr(step) * Math.min(1, (step + 1) / Math.max(1, warmupSteps));
}

/**
 * Warm-up as in diffusers' `get_cosine_schedule_with_warmup` and its relatives: lr step / warmupSteps, which is 0 at
 * step 0, and only then the schedule, from its own step 0. A decay over the rest of a run has
 * `totalSteps - warmupSteps` as its `totalSteps`.
 * @throws {RangeError} on anything but a whole number of at least 0
 */
export function afterWarmup(schedule: number | StepSchedule, warmupSteps: number): StepSchedule {
  checkInteger('afterWarmup: warmupSteps', warmupSteps, 0);
  const lr = asSchedule(schedule);
  return (step) => (step < warmupSteps ? (lr(0) * step) / warmupSteps : lr(step - warmupSteps));
}
