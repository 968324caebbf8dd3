import * as tf from '@tensorflow/tfjs-core';
import type { Tensors } from '@dm/ops';
import { biasCorrection } from './bias-correction.js';
import { requireBeta, requireNumber } from './checks.js';
import type { Optimizer, Scalars } from './optimizer.js';
import { asSchedule, type StepSchedule } from './step-schedule.js';
import { decoupledDecay, type WeightDecay } from './weight-decay.js';

export interface AdamWOptions {
  /** Learning rate: a number or a schedule. */
  readonly lr: number | StepSchedule;
  /** Momentum: a number in [0, 1) or a schedule such as that of `momentumDecay`; 0.9 by default. */
  readonly beta1?: number | StepSchedule;
  /** Average of the squared gradients, in [0, 1); 0.999 by default. */
  readonly beta2?: number;
  /** Added to the square root, as in PyTorch; 1e-8 by default. */
  readonly eps?: number;
  /** Decoupled weight decay, times the learning rate; 0.01 by default. */
  readonly weightDecay?: WeightDecay;
}

/**
 * AdamW, Loshchilov & Hutter 2019, arXiv:1711.05101, Algorithm 2, in the form of `torch.optim.AdamW`:
 *
 *   p <- p (1 - lr wd)
 *   m <- b1 m + (1 - b1) g,    v <- b2 v + (1 - b2) g^2
 *   p <- p - lr (m / c1) / (sqrt(v / c2) + eps)
 *
 * c1 = 1 - product of the b1 used so far (see `biasCorrection`; b1 may change from step to step), c2 = 1 - b2^(step+1).
 * On the host the last line becomes stepSize m / (sqrt(v) + eps sqrt(c2)), stepSize = lr sqrt(c2) / c1, one pass less.
 * Throws a RangeError on an option out of range.
 */
export function adamW(options: AdamWOptions): Optimizer {
  const { lr, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weightDecay = 0.01 } = options;
  if (typeof beta1 === 'number') requireBeta('adamW', 'beta1', beta1);
  requireBeta('adamW', 'beta2', beta2);
  requireNumber('adamW', 'eps', eps, 'a number > 0', (v) => v > 0);
  const decay = decoupledDecay('adamW', weightDecay);
  const moments = adamMoments({ lr: asSchedule(lr), beta1: asSchedule(beta1), beta2, eps });
  return {
    name: 'adamW',
    slots: moments.slots,
    scalars: moments.scalars,
    update(params, grads, slots, scalars) {
      const { direction, slots: next } = moments.update(grads, slots, scalars);
      return { params: tf.sub(decay(params, scalars.lr!), direction), slots: next };
    },
  };
}

/** The moments and the step that they make, learning rate included. */
interface AdamMoments {
  readonly slots: readonly string[];
  readonly scalars: (step: number) => Scalars;
  readonly update: (grads: tf.Tensor, slots: Tensors, scalars: Tensors) => { direction: tf.Tensor; slots: Tensors };
}

/** What Adam and AdamW share. */
export function adamMoments(options: {
  readonly lr: StepSchedule;
  readonly beta1: StepSchedule;
  readonly beta2: number;
  readonly eps: number;
}): AdamMoments {
  const { lr, beta1, beta2, eps } = options;
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
