import * as tf from '@tensorflow/tfjs-core';
import { checkInRange, checkInteger, checkNonNegative, checkPositive } from '@dm/ops';
import { type Optimizer, withCheckedUpdate, zeroSlots } from './optimizer.js';
import { prefixFold } from './step-schedule.js';

export interface ScheduleFreeOptions {
  /** Learning rate, > 0. A constant: this method replaces a decay schedule. */
  readonly lr: number;
  /** The gradient is computed at y = (1 - beta1) z + beta1 x; in (0, 1). Default 0.9. */
  readonly beta1?: number;
  /** Decay rate of the second moment, in [0, 1). Default 0.999. */
  readonly beta2?: number;
  /** Added to the square root; > 0. Default 1e-8. */
  readonly eps?: number;
  /** Weight decay at y, multiplied by the learning rate; >= 0. Default 0. */
  readonly weightDecay?: number;
  /** Optimizer steps of linear warmup, >= 0. Default 0. */
  readonly warmupSteps?: number;
}

/**
 * Schedule-free AdamW: Algorithm 1 of Defazio et al. 2024, arXiv:2405.15682. The trained parameters are y; the average
 * x (`scheduleFreeAverage`) is the model to evaluate and sample from.
 *
 *   u = g(y) / (sqrt(v / c2) + eps) + wd y,    z <- z - lr u
 *   x <- (1 - c) x + c z,    c = lr_k^2 / sum of lr_i^2,    y = (1 - beta1) z + beta1 x
 *
 * The state is y and the slot `ahead` = z - y, which starts at zero. In these variables one step is
 *
 *   y <- y + c ahead - lr (1 - beta1 (1 - c)) u,    ahead <- (1 - c) (ahead - lr beta1 u)
 *
 * @throws {RangeError} if an option is out of range
 */
export function scheduleFreeAdamW(options: ScheduleFreeOptions): Optimizer {
  const { lr, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weightDecay = 0, warmupSteps = 0 } = options;
  const owner = 'scheduleFreeAdamW';
  checkPositive(`${owner}: lr`, lr);
  checkInRange(`${owner}: beta1`, beta1, '(0, 1)');
  checkInRange(`${owner}: beta2`, beta2, '[0, 1)');
  checkPositive(`${owner}: eps`, eps);
  checkNonNegative(`${owner}: weightDecay`, weightDecay);
  checkInteger(`${owner}: warmupSteps`, warmupSteps, 0);

  const lrAt = (step: number): number => lr * Math.min(1, (step + 1) / Math.max(1, warmupSteps));
  const sumOfSquares = prefixFold(0, (sum, step) => sum + lrAt(step) ** 2);
  return withCheckedUpdate({
    name: owner,
    ...zeroSlots(['ahead', 'v']),
    scalars(step) {
      const c = lrAt(step) ** 2 / sumOfSquares(step);
      const rootCorrection2 = Math.sqrt(1 - beta2 ** (step + 1));
      return {
        share: c,
        oneMinusShare: 1 - c,
        rootCorrection2,
        eps: eps * rootCorrection2,
        stepSize: lrAt(step) * (1 - beta1 * (1 - c)),
        aheadStepSize: lrAt(step) * beta1,
      };
    },
    update(params, grads, slots, scalars) {
      const v = tf.add(tf.mul(slots.v!, beta2), tf.mul(tf.square(grads), 1 - beta2));
      const scaled = tf.div(tf.mul(grads, scalars.rootCorrection2!), tf.add(tf.sqrt(v), scalars.eps!));
      const u = weightDecay === 0 ? scaled : tf.add(scaled, tf.mul(params, weightDecay));
      const pulled = tf.add(params, tf.mul(slots.ahead!, scalars.share!));
      const ahead = tf.mul(tf.sub(slots.ahead!, tf.mul(u, scalars.aheadStepSize!)), scalars.oneMinusShare!);
      return { params: tf.sub(pulled, tf.mul(u, scalars.stepSize!)), slots: { ahead, v } };
    },
  });
}

/**
 * The average x of schedule-free AdamW, to evaluate and sample with, from the trained parameters y and the slot
 * `ahead`: x = y + (1 - 1 / beta1) ahead, all [P].
 */
export function scheduleFreeAverage(params: tf.Tensor, ahead: tf.Tensor, beta1 = 0.9): tf.Tensor {
  return tf.add(params, tf.mul(ahead, 1 - 1 / beta1));
}
