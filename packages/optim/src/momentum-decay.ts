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
 * A third-party port, for language models, instead decays the momentum linearly from 0.9 to 0.5, with the same compensation:
 * `shape: 'linear', finalBeta: 0.5`.
 *
 * It applies to momentum in averaged form, m <- beta m + (1 - beta) g: Adam's beta1, or `sgd` with form `averaged`. In
 * heavy-ball form, m <- beta m + g, the same method is Demon with a constant learning rate.
 */
import { checkChoice, checkInRange, checkInteger } from '@dm/ops';
import { lrSchedule, progress, type StepSchedule } from './step-schedule.js';

export const momentumShapes = ['demon', 'linear'] as const;
export type MomentumShape = (typeof momentumShapes)[number];

export interface MomentumDecayOptions {
  /** Learning rate before compensation: a number, or a schedule such as `withWarmup`. */
  readonly lr: number | StepSchedule;
  /** Optimizer steps of the whole run as configured, >= 1. */
  readonly totalSteps: number;
  /** Momentum at step 0, in (0, 1). Default 0.9. */
  readonly b0?: number;
  /** Momentum at `totalSteps`, in [0, b0]. Default 0. */
  readonly finalBeta?: number;
  /** How the momentum decays: `demon`, slowly at first, or `linear`. Default `demon`. */
  readonly shape?: MomentumShape;
  /** Steps at the beginning during which the momentum is b0; tau counts from then on. Default 0. */
  readonly delaySteps?: number;
  /** Lower the learning rate together with the momentum. Default true; false gives Demon alone. */
  readonly compensate?: boolean;
}

/**
 * The schedules `lr` and `beta1` of momentum decay, to spread into an optimizer's options:
 *
 *     adamW({ ...momentumDecay({ lr: 2e-4, totalSteps: 10_000 }) })
 *
 * @throws {RangeError} if totalSteps is not an integer >= 1, delaySteps not one in [0, totalSteps), b0 not in (0, 1),
 *   finalBeta not in [0, b0], or the shape is unknown
 */
export function momentumDecay(options: MomentumDecayOptions): { lr: StepSchedule; beta1: StepSchedule } {
  const { totalSteps, b0 = 0.9, finalBeta = 0, shape = 'demon', delaySteps = 0, compensate = true } = options;
  check('momentumDecay', totalSteps, b0);
  checkInRange('momentumDecay: finalBeta', finalBeta, `[0, ${b0}]`);
  checkChoice('momentumDecay: shape', shape, momentumShapes);
  checkInteger('momentumDecay: delaySteps', delaySteps, 0, totalSteps - 1);
  const lr0 = lrSchedule('momentumDecay', options.lr);
  const beta1 = momentumOf(b0, finalBeta, shape, totalSteps - delaySteps, delaySteps);
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

function momentumOf(
  b0: number,
  finalBeta: number,
  shape: MomentumShape,
  totalSteps: number,
  delaySteps: number,
): StepSchedule {
  const toZero = shape === 'demon' ? demon({ b0, totalSteps }) : linearToZero(b0, totalSteps);
  const share = (b0 - finalBeta) / b0;
  return (step) => {
    const beta = toZero(Math.max(0, step - delaySteps));
    return finalBeta === 0 ? beta : finalBeta + share * beta;
  };
}

function linearToZero(b0: number, totalSteps: number): StepSchedule {
  return (step) => b0 * (1 - progress(step, totalSteps));
}

function check(owner: string, totalSteps: number, b0: number): void {
  checkInteger(`${owner}: totalSteps`, totalSteps, 1);
  checkInRange(`${owner}: b0`, b0, '(0, 1)');
}
