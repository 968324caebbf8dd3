import * as tf from '@tensorflow/tfjs-core';
import { checkInRange } from '@dm/ops';
import { type Optimizer, withCheckedUpdate, zeroSlots } from './optimizer.js';
import { asSchedule, lrSchedule, type StepSchedule } from './step-schedule.js';
import { decoupledDecay, type WeightDecay } from './weight-decay.js';

export interface LionOptions {
  /** Learning rate: a number or a schedule; the paper suggests 3 to 10 times less than for AdamW. */
  readonly lr: number | StepSchedule;
  /** Weight of the momentum in the update's sign: a number in [0, 1) or a schedule. Default 0.9. */
  readonly beta1?: number | StepSchedule;
  /** Decay rate of the momentum, in [0, 1). Default 0.99. */
  readonly beta2?: number;
  /** Decoupled weight decay, multiplied by the learning rate. Default 0. */
  readonly weightDecay?: WeightDecay;
}

/**
 * Lion: Algorithm 2 of Chen et al. 2023, arXiv:2302.06675,
 *
 *   p <- p (1 - lr wd) - lr sign(b1 m + (1 - b1) g),    m <- b2 m + (1 - b2) g
 *
 * @throws {RangeError} if an option is out of range
 */
export function lion(options: LionOptions): Optimizer {
  const { beta1 = 0.9, beta2 = 0.99 } = options;
  if (typeof beta1 === 'number') checkInRange('lion: beta1', beta1, '[0, 1)');
  checkInRange('lion: beta2', beta2, '[0, 1)');
  const decay = decoupledDecay('lion', options.weightDecay ?? 0);
  const lr = lrSchedule('lion', options.lr);
  const b1 = asSchedule(beta1);
  return withCheckedUpdate({
    name: 'lion',
    ...zeroSlots(['m']),
    scalars: (step) => ({ lr: lr(step), beta1: b1(step), oneMinusBeta1: 1 - b1(step) }),
    update(params, grads, slots, scalars) {
      const mixed = tf.add(tf.mul(slots.m!, scalars.beta1!), tf.mul(grads, scalars.oneMinusBeta1!));
      const m = tf.add(tf.mul(slots.m!, beta2), tf.mul(grads, 1 - beta2));
      const next = tf.sub(decay(params, scalars.lr!), tf.mul(tf.sign(mixed), scalars.lr!));
      return { params: next, slots: { m } };
    },
  });
}
