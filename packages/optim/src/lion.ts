import * as tf from '@tensorflow/tfjs-core';
import { checkInRange } from '@dm/ops';
import { type Optimizer, zeroSlots } from './optimizer.js';
import { asSchedule, type StepSchedule } from './step-schedule.js';
import { decoupledDecay, type WeightDecay } from './weight-decay.js';

export interface LionOptions {
  /** Learning rate: a number or a schedule; 3 to 10 times smaller than Adam's. */
  readonly lr: number | StepSchedule;
  /** Share of the momentum in the step's sign, in [0, 1), a number or a schedule; 0.9 by default. */
  readonly beta1?: number | StepSchedule;
  /** Decay of the saved gradient average, in [0, 1); 0.99 by default. */
  readonly beta2?: number;
  /** Decoupled weight decay, times the learning rate; 0 by default. */
  readonly weightDecay?: WeightDecay;
}

/**
 * Lion, Chen et al. 2023, arXiv:2302.06675, Algorithm 2:
 *
 *   p <- p (1 - lr wd) - lr sign(b1 m + (1 - b1) g),    m <- b2 m + (1 - b2) g
 * @throws {RangeError} on an option out of range
 */
export function lion(options: LionOptions): Optimizer {
  const { beta1 = 0.9, beta2 = 0.99 } = options;
  if (typeof beta1 === 'number') checkInRange('lion: beta1', beta1, '[0, 1)');
  checkInRange('lion: beta2', beta2, '[0, 1)');
  const decay = decoupledDecay('lion', options.weightDecay ?? 0);
  const lr = asSchedule(options.lr);
  const b1 = asSchedule(beta1);
  return {
    name: 'lion',
    ...zeroSlots(['m']),
    scalars: (step) => ({ lr: lr(step), beta1: b1(step), oneMinusBeta1: 1 - b1(step) }),
    update(params, grads, slots, scalars) {
      const mixed = tf.add(tf.mul(slots.m!, scalars.beta1!), tf.mul(grads, scalars.oneMinusBeta1!));
      const m = tf.add(tf.mul(slots.m!, beta2), tf.mul(grads, 1 - beta2));
      const next = tf.sub(decay(params, scalars.lr!), tf.mul(tf.sign(mixed), scalars.lr!));
      return { params: next, slots: { m } };
    },
  };
}
