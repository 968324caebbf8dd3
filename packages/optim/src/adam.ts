import * as tf from '@tensorflow/tfjs-core';
import { adamMoments } from './adam-moments.js';
import { checkNonNegative } from '@dm/ops';
import { type Optimizer, zeroSlots } from './optimizer.js';
import type { StepSchedule } from './step-schedule.js';

export interface AdamOptions {
  /** Learning rate: a number or a schedule. */
  readonly lr: number | StepSchedule;
  /** Momentum: a number in [0, 1) or a schedule such as `momentumDecay`'s; 0.9 by default. */
  readonly beta1?: number | StepSchedule;
  /** Average of the squared gradients, in [0, 1); 0.999 by default. */
  readonly beta2?: number;
  /** Added to the square root, as in PyTorch; 1e-8 by default. */
  readonly eps?: number;
  /** L2 penalty, added to the gradient as wd p; 0 by default. For the decoupled form take `adamW`. */
  readonly weightDecay?: number;
}

/**
 * Adam, Kingma & Ba 2015, arXiv:1412.6980, Algorithm 1, in the form of `torch.optim.Adam`. The bias correction of m is
 * the product of the beta1 used so far (see `biasCorrection`).
 * @throws {RangeError} on an option out of range
 */
export function adam(options: AdamOptions): Optimizer {
  const { weightDecay = 0 } = options;
  checkNonNegative('adam: weightDecay', weightDecay);
  const moments = adamMoments('adam', options);
  return {
    name: 'adam',
    ...zeroSlots(moments.slots),
    scalars: moments.scalars,
    update(params, grads, slots, scalars) {
      const penalized = weightDecay === 0 ? grads : tf.add(grads, tf.mul(params, weightDecay));
      const { direction, slots: next } = moments.update(penalized, slots, scalars);
      return { params: tf.sub(params, direction), slots: next };
    },
  };
}
