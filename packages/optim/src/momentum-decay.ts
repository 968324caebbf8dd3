/**
 * Momentum decay with learning-rate compensation (MDLRC): Xu, Mi, Wang, Chen, "Towards Faster Training of Diffusion
 * Models: An Inspiration of A Consistency Phenomenon", arXiv:2404.07946.
 *
 * Certain, from the abstract: the momentum coefficient decreases during training, because on the very smooth loss
 * landscape of diffusion models a large momentum may slow down convergence and cause oscillations. From reviews of an
 * earlier version: the learning rate is lowered to compensate, since momentum decay alone amplifies the updates too
 * much and hurts the EMA model.
 *
 * The formula is a RECONSTRUCTION from third-party re-implementations, not the authors' text. With
 * tau = step / totalSteps and b0 = 0.9,
 *
 *   beta(tau) = b0 (1 - tau) / ((1 - b0) + b0 (1 - tau))        Demon, Chen et al. 2019, arXiv:1910.04952
 *   lr(tau)   = lr0 (1 - b0) / (1 - beta(tau)) = lr0 (1 - b0 tau)
 *
 * so that lr (1 - beta), the coefficient of the newest gradient, is constant; this reading of "compensation" is ours.
 * The second form of lr is an identity: MDLRC is Demon plus a LINEAR learning-rate decay to (1 - b0) lr0, so it must be
 * compared with this learning-rate decay alone.
 *
 * It applies to momentum in averaged form, m <- beta m + (1 - beta) g: Adam's beta1, or `sgd` with form `averaged`. In
 * heavy-ball form, m <- beta m + g, the same method is Demon with a constant learning rate.
 */
import { checkInRange, checkInteger } from '@dm/ops';
import { asSchedule, progress, type StepSchedule } from './step-schedule.js';

export interface MomentumDecayOptions {
  /** Learning rate before compensation: a number, or a schedule such as `withWarmup`. */
  readonly lr: number | StepSchedule;
  /** Optimizer steps of the whole run as configured, >= 1. */
  readonly totalSteps: number;
  /** Momentum at step 0, in (0, 1). Default 0.9. */
  readonly b0?: number;
  /** Lower the learning rate together with the momentum. Default true; false gives Demon alone. */
  readonly compensate?: boolean;
}

/**
 * The schedules `lr` and `beta1` of momentum decay, to spread into an optimizer's options:
 *
 *     adamW({ ...momentumDecay({ lr: 2e-4, totalSteps: 10_000 }) })
 *
 * @throws {RangeError} if totalSteps is not an integer >= 1, or b0 is not in (0, 1)
 */
export function momentumDecay(options: MomentumDecayOptions): { lr: StepSchedule; beta1: StepSchedule } {
  const { totalSteps, b0 = 0.9, compensate = true } = options;
  check('momentumDecay', totalSteps, b0);
  const lr0 = asSchedule(options.lr);
  const beta1 = demon({ b0, totalSteps });
  if (!compensate) return { lr: lr0, beta1 };
  return { lr: (step) => (lr0(step) * (1 - b0)) / (1 - beta1(step)), beta1 };
}

/**
 * Demon, the momentum schedule beta(tau) = b0 (1 - tau) / ((1 - b0) + b0 (1 - tau)), tau = step / totalSteps: from b0
 * at step 0 to 0 at `totalSteps`. Chen et al. 2019, arXiv:1910.04952.
 * @throws {RangeError} if totalSteps is not an integer >= 1, or b0 is not in (0, 1)
 */
export function demon(options: { readonly totalSteps: number; readonly b0?: number }): StepSchedule {
  const { totalSteps, b0 = 0.9 } = options;
  check('demon', totalSteps, b0);
  return (step) => {
    const left = b0 * (1 - progress(step, totalSteps));
    return left / (1 - b0 + left);
  };
}

function check(owner: string, totalSteps: number, b0: number): void {
  checkInteger(`${owner}: totalSteps`, totalSteps, 1);
  checkInRange(`${owner}: b0`, b0, '(0, 1)');
}
