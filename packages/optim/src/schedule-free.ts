import * as tf from '@tensorflow/tfjs-core';
import { checkInRange, checkInteger, checkNonNegative, checkPositive } from '@dm/ops';
import { type Optimizer, zeroSlots } from './optimizer.js';
import { prefixFold } from './step-schedule.js';

export interface ScheduleFreeOptions {
  /** Learning rate, > 0; no schedule, that is the point. */
  readonly lr: number;
  /** Interpolation between z (0) and the average x (1) at which the gradient is taken, in (0, 1); 0.9 by default. */
  readonly beta1?: number;
  /** Average of the squared gradients, in [0, 1); 0.999 by default. */
  readonly beta2?: number;
  /** Added to the square root; 1e-8 by default. */
  readonly eps?: number;
  /** Weight decay at y, times the learning rate; 0 by default. */
  readonly weightDecay?: number;
  /** Steps over which the learning rate rises linearly; 0 by default. */
  readonly warmupSteps?: number;
}

/**
 * Schedule-free AdamW, Defazio et al. 2024, arXiv:2405.15682, Algorithm 1. The parameters of the training step are y;
 * x, the average, is the model to sample from: `scheduleFreeAverage`.
 *
 *   u = g(y) / (sqrt(v / c2) + eps) + wd y,    z <- z - lr u
 *   x <- (1 - c) x + c z,    c = lr_k^2 / sum of lr_i^2,    y = (1 - beta1) z + beta1 x
 *
 * The slot `ahead` holds z - y, which is zero at the start as every slot is; in it the step reads y <- y + c ahead - lr
 * (1 - beta1 (1 - c)) u,  ahead <- (1 - c) (ahead - lr beta1 u).
 * @throws {RangeError} on an option out of range
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
  return {
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
  };
}

/**
 * x, the average to evaluate and sample with, from the parameters y and the slot `ahead`: y + (1 - 1 / beta1) ahead.
 * [P] each.
 */
export function scheduleFreeAverage(params: tf.Tensor, ahead: tf.Tensor, beta1 = 0.9): tf.Tensor {
  return tf.add(params, tf.mul(ahead, 1 - 1 / beta1));
}
