import * as tf from '@tensorflow/tfjs-core';
import { adamMoments } from './adam-moments.js';
import { type Optimizer, withCheckedUpdate, zeroSlots } from './optimizer.js';
import type { StepSchedule } from './step-schedule.js';
import { decoupledDecay, type WeightDecay } from './weight-decay.js';

export interface AdamWOptions {
  /** Learning rate: a number, or a schedule over optimizer steps. */
  readonly lr: number | StepSchedule;
  /** Decay rate of the first moment: a number in [0, 1), or a schedule such as `momentumDecay`'s. Default 0.9. */
  readonly beta1?: number | StepSchedule;
  /** Decay rate of the second moment, in [0, 1). Default 0.999. */
  readonly beta2?: number;
  /** Added to the square root, as in PyTorch; > 0. Default 1e-8. */
  readonly eps?: number;
  /** Decoupled weight decay, multiplied by the learning rate. Default 0.01. */
  readonly weightDecay?: WeightDecay;
}

/**
 * AdamW: Algorithm 2 of Loshchilov & Hutter 2019, arXiv:1711.05101, as in `torch.optim.AdamW`:
 *
 *   p <- p (1 - lr wd) - lr (m / c1) / (sqrt(v / c2) + eps)
 *
 * with Adam's moments m and v. beta1 may change from step to step: c1 = 1 - product of the beta1 used so far.
 * @throws {RangeError} if an option is out of range
 */
export function adamW(options: AdamWOptions): Optimizer {
  const decay = decoupledDecay('adamW', options.weightDecay ?? 0.01);
  const moments = adamMoments('adamW', options);
  return withCheckedUpdate({
    name: 'adamW',
    ...zeroSlots(moments.slots),
    scalars: moments.scalars,
    update(params, grads, slots, scalars) {
      const { direction, slots: next } = moments.update(grads, slots, scalars);
      return { params: tf.sub(decay(params, scalars.lr!), direction), slots: next };
    },
  });
}
