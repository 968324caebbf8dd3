import * as tf from '@tensorflow/tfjs-core';
import { checkInRange, checkPositive, type Tensors } from '@dm/ops';
import { biasCorrection } from './bias-correction.js';
import type { Scalars } from './optimizer.js';
import { asSchedule, lrSchedule, type StepSchedule } from './step-schedule.js';

/** The first and second moments, and the update direction, which includes the learning rate. */
interface AdamMoments {
  readonly slots: readonly string[];
  readonly scalars: (step: number) => Scalars;
  readonly update: (grads: tf.Tensor, slots: Tensors, scalars: Tensors) => { direction: tf.Tensor; slots: Tensors };
}

/**
 * The moments shared by Adam, AdamW, AdEMAMix, and Muon (for its other parameters), Algorithm 1 of Kingma & Ba 2015,
 * arXiv:1412.6980:
 *
 *   m <- b1 m + (1 - b1) g,    v <- b2 v + (1 - b2) g^2
 *   direction = lr (m / c1) / (sqrt(v / c2) + eps)
 *
 * with c1 = 1 - product of the b1 used so far (`biasCorrection`) and c2 = 1 - b2^(step + 1). Computed in the equivalent
 * form stepSize m / (sqrt(v) + eps sqrt(c2)), with stepSize = lr sqrt(c2) / c1 computed on the host, which saves one
 * pass over the vector. `owner` is the name of the optimizer in error messages.
 * @throws {RangeError} if a constant beta1 or beta2 is not in [0, 1), or eps is not > 0
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
  const lr = lrSchedule(owner, options.lr);
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
        // Computed here in float64: 1 - beta1 in float32 would lose digits.
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
