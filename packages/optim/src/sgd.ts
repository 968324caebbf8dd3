import * as tf from '@tensorflow/tfjs-core';
import { checkChoice, checkInRange, checkNonNegative } from '@dm/ops';
import { type Optimizer, zeroSlots } from './optimizer.js';
import { asSchedule, type StepSchedule } from './step-schedule.js';

export interface SgdOptions {
  /** Learning rate: a number or a schedule. */
  readonly lr: number | StepSchedule;
  /** Momentum beta: a number in [0, 1) or a schedule such as `beta1` of `momentumDecay`; 0.9 by default. */
  readonly momentum?: number | StepSchedule;
  /** How the momentum adds up; `averaged` by default. */
  readonly form?: 'averaged' | 'heavyBall';
  /** Step along beta m + the new gradient's share instead of m; false by default. */
  readonly nesterov?: boolean;
  /** L2 penalty, added to the gradient as wd p; 0 by default. */
  readonly weightDecay?: number;
}

/**
 * Stochastic gradient descent with momentum, p <- p - lr m:
 *
 * - `averaged`: m <- beta m + (1 - beta) g, the form that momentum decay with compensation is written for;
 * - `heavyBall`: m <- beta m + g, the form of `torch.optim.SGD` (dampening 0), whose steps are 1 / (1 - beta) times as
 *   long. Here momentum decay with compensation is Demon with a constant learning rate, a separate ablation.
 *
 * No bias correction in either form: the first averaged steps are short.
 * @throws {RangeError} on an option out of range
 */
export function sgd(options: SgdOptions): Optimizer {
  const { momentum = 0.9, form = 'averaged', nesterov = false, weightDecay = 0 } = options;
  if (typeof momentum === 'number') checkInRange('sgd: momentum', momentum, '[0, 1)');
  checkNonNegative('sgd: weightDecay', weightDecay);
  checkChoice('sgd: form', form, ['averaged', 'heavyBall']);
  const lr = asSchedule(options.lr);
  const beta = asSchedule(momentum);
  return {
    name: 'sgd',
    ...zeroSlots(['m']),
    scalars: (step) => ({
      lr: lr(step),
      beta: beta(step),
      gain: form === 'averaged' ? 1 - beta(step) : 1,
    }),
    update(params, grads, slots, scalars) {
      const penalized = weightDecay === 0 ? grads : tf.add(grads, tf.mul(params, weightDecay));
      const gained = tf.mul(penalized, scalars.gain!);
      const m = tf.add(tf.mul(slots.m!, scalars.beta!), gained);
      const direction = nesterov ? tf.add(tf.mul(m, scalars.beta!), gained) : m;
      return { params: tf.sub(params, tf.mul(direction, scalars.lr!)), slots: { m } };
    },
  };
}
