import * as tf from '@tensorflow/tfjs-core';
import { adamMoments } from './adam-moments.js';
import { checkNonNegative } from '@dm/ops';
import { type Optimizer, withCheckedUpdate, zeroSlots } from './optimizer.js';
import type { StepSchedule } from './step-schedule.js';

export interface AdamOptions {
  /** Learning rate: a number, or a schedule over optimizer steps. */
  readonly lr: number | StepSchedule;
  /** Decay rate of the first moment: a number in [0, 1), or a schedule such as `momentumDecay`'s. Default 0.9. */
  readonly beta1?: number | StepSchedule;
  /** Decay rate of the second moment, in [0, 1). Default 0.999. */
  readonly beta2?: number;
  /** Added to the square root, as in PyTorch; > 0. Default 1e-8. */
  readonly eps?: number;
  /** L2 penalty: wd p is added to the gradient; >= 0. Default 0. For decoupled weight decay use `adamW`. */
  readonly weightDecay?: number;
}

/**
 * Adam: Algorithm 1 of Kingma & Ba 2015, arXiv:1412.6980, as in `torch.optim.Adam`,
 *
 *   p <- p - lr (m / c1) / (sqrt(v / c2) + eps)
 *
 * with c1 = 1 - product of the beta1 used so far (`biasCorrection`), so beta1 may change from step to step.
 * @throws {RangeError} if an option is out of range
 */
export function adam(options: AdamOptions): Optimizer {
  const { weightDecay = 0 } = options;
  checkNonNegative('adam: weightDecay', weightDecay);
  const moments = adamMoments('adam', options);
  return withCheckedUpdate({
    name: 'adam',
    ...zeroSlots(moments.slots),
    scalars: moments.scalars,
    update(params, grads, slots, scalars) {
      const penalized = weightDecay === 0 ? grads : tf.add(grads, tf.mul(params, weightDecay));
      const { direction, slots: next } = moments.update(penalized, slots, scalars);
      return { params: tf.sub(params, direction), slots: next };
    },
  });
}
