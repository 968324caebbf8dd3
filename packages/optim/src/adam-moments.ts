import * as tf from '@tensorflow/tfjs-core';
import { checkInRange, checkPositive, type Tensors } from '@dm/ops';
import { biasCorrection } from './bias-correction.js';
import type { Scalars } from './optimizer.js';
import { asSchedule, type StepSchedule } from './step-schedule.js';

/** The two moments, and the step that they make with the learning rate in it. */
interface AdamMoments {
  readonly slots: readonly string[];
  readonly scalars: (step: number) => Scalars;
  readonly update: (grads: tf.Tensor, slots: Tensors, scalars: Tensors) => { direction: tf.Tensor; slots: Tensors };
}

/**
 * What the Adam family shares:
 *
 *   m <- b1 m + (1 - b1) g,    v <- b2 v + (1 - b2) g^2
 *   direction = lr (m / c1) / (sqrt(v / c2) + eps)
 *
 * c1 = 1 - product of the b1 used so far, c2 = 1 - b2^(step + 1). Computed as stepSize m / (sqrt(v) + eps sqrt(c2)) with
 * stepSize = lr sqrt(c2) / c1 from the host: the same number, one pass over the vector less.
 */
export function adamMoments(
  owner: string,
  options: {
    readonly lr: number | StepSchedule;
    readonly beta1?: number | StepSchedule;
    readonly beta2?: number;
    readonly eps?: number;
  },
): AdamMoments {
  const { beta2 = 0.999, eps = 1e-8 } = options;
  if (typeof options.beta1 === 'number') checkInRange(`${owner}: beta1`, options.beta1, '[0, 1)');
  checkInRange(`${owner}: beta2`, beta2, '[0, 1)');
  checkPositive(`${owner}: eps`, eps);
  const lr = asSchedule(options.lr);
  const beta1 = asSchedule(options.beta1 ?? 0.9);
  const correction1 = biasCorrection(beta1);
  return {
    slots: ['m', 'v'],
    scalars(step) {
      const b1 = beta1(step);
      const rootCorrection2 = Math.sqrt(1 - beta2 ** (step + 1));
      return {
        lr: lr(step),
        beta1: b1,
        // Not formed from the float32 beta1 inside the program: that would lose digits.
        oneMinusBeta1: 1 - b1,
        stepSize: (lr(step) * rootCorrection2) / correction1(step),
        eps: eps * rootCorrection2,
      };
    },
    update(grads, slots, scalars) {
      const m = tf.add(tf.mul(slots.m!, scalars.beta1!), tf.mul(grads, scalars.oneMinusBeta1!));
      const v = tf.add(tf.mul(slots.v!, beta2), tf.mul(tf.square(grads), 1 - beta2));
      const direction = tf.div(tf.mul(m, scalars.stepSize!), tf.add(tf.sqrt(v), scalars.eps!));
      return { direction, slots: { m, v } };
    },
  };
}
