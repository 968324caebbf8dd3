import * as tf from '@tensorflow/tfjs-core';
import { checkChoice, checkInRange, checkNonNegative } from '@dm/ops';
import { type Optimizer, withCheckedUpdate, zeroSlots } from './optimizer.js';
import { asSchedule, lrSchedule, type StepSchedule } from './step-schedule.js';

export interface SgdOptions {
  /** Learning rate: a number, or a schedule over optimizer steps. */
  readonly lr: number | StepSchedule;
  /** Momentum: a number in [0, 1), or a schedule such as `beta1` of `momentumDecay`. Default 0.9. */
  readonly momentum?: number | StepSchedule;
  /** How the momentum accumulates gradients. Default `averaged`. */
  readonly form?: 'averaged' | 'heavyBall';
  /** Nesterov momentum: step along beta m plus the new gradient's term, instead of m. Default false. */
  readonly nesterov?: boolean;
  /** L2 penalty: wd p is added to the gradient; >= 0. Default 0. */
  readonly weightDecay?: number;
}

/**
 * Stochastic gradient descent with momentum, p <- p - lr m:
 *
 * - `averaged`: m <- beta m + (1 - beta) g, the form for which `momentumDecay` compensates the learning rate;
 * - `heavyBall`: m <- beta m + g, as in `torch.optim.SGD` (dampening 0). Its updates are 1 / (1 - beta) times as large,
 *   and momentum decay with compensation becomes Demon with a constant learning rate.
 *
 * Neither form has a bias correction, so the first updates of the averaged form are small.
 * @throws {RangeError} if an option is out of range
 */
export function sgd(options: SgdOptions): Optimizer {
  const { momentum = 0.9, form = 'averaged', nesterov = false, weightDecay = 0 } = options;
  if (typeof momentum === 'number') checkInRange('sgd: momentum', momentum, '[0, 1)');
  checkNonNegative('sgd: weightDecay', weightDecay);
  checkChoice('sgd: form', form, ['averaged', 'heavyBall']);
  const lr = lrSchedule('sgd', options.lr);
  const beta = asSchedule(momentum);
  return withCheckedUpdate({
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
  });
}
