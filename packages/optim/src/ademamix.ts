import * as tf from '@tensorflow/tfjs-core';
import { adamMoments } from './adam-moments.js';
import { checkInRange, checkInteger, checkNonNegative, checkNumber } from '@dm/ops';
import { type Optimizer, zeroSlots } from './optimizer.js';
import type { StepSchedule } from './step-schedule.js';
import { decoupledDecay, type WeightDecay } from './weight-decay.js';

export interface AdEMAMixOptions {
  /** Learning rate: a number or a schedule. */
  readonly lr: number | StepSchedule;
  /** Fast momentum, in [0, 1); 0.9 by default. */
  readonly beta1?: number;
  /** Average of the squared gradients, in [0, 1); 0.999 by default. */
  readonly beta2?: number;
  /** Slow momentum, in (beta1, 1); 0.9999 by default. */
  readonly beta3?: number;
  /** Weight of the slow momentum, >= 0; 2 by default. */
  readonly alpha?: number;
  /** Steps over which alpha and beta3 rise to their values, >= 0; 0 by default, the whole run in the paper. */
  readonly warmupSteps?: number;
  /** Added to the square root; 1e-8 by default. */
  readonly eps?: number;
  /** Decoupled weight decay, times the learning rate; 0 by default. */
  readonly weightDecay?: WeightDecay;
}

/**
 * AdEMAMix, Pagliardini et al. 2024, arXiv:2409.03137, Algorithm 1: AdamW with a second, slow momentum,
 *
 *   p <- p (1 - lr wd) - lr (m1 / c1 + alpha m2) / (sqrt(v / c2) + eps),    m2 <- b3 m2 + (1 - b3) g
 *
 * While warming up, with a = (step + 1) / warmupSteps, alpha grows linearly and b3 so that its half-life grows linearly
 * from beta1's: 1 / ln b3(a) = (1 - a) / ln beta1 + a / ln beta3.
 * @throws {RangeError} on an option out of range
 */
export function adEMAMix(options: AdEMAMixOptions): Optimizer {
  const { beta1 = 0.9, beta3 = 0.9999, alpha = 2, warmupSteps = 0 } = options;
  checkInRange('adEMAMix: beta3', beta3, '[0, 1)');
  checkNumber('adEMAMix: beta3', beta3, `above beta1 = ${beta1}`, (v) => v > beta1);
  checkNonNegative('adEMAMix: alpha', alpha);
  checkInteger('adEMAMix: warmupSteps', warmupSteps, 0);
  const decay = decoupledDecay('adEMAMix', options.weightDecay ?? 0);
  const fast = adamMoments('adEMAMix', options);

  const slowBeta = (a: number): number => {
    if (a >= 1) return beta3;
    // A fast momentum of 0 has half-life 0, the limit of the formula as beta1 falls to 0.
    const inverse = (beta1 === 0 ? 0 : (1 - a) / Math.log(beta1)) + a / Math.log(beta3);
    return Math.exp(1 / inverse);
  };
  return {
    name: 'adEMAMix',
    ...zeroSlots([...fast.slots, 'slow']),
    scalars(step) {
      const scalars = fast.scalars(step);
      const a = warmupSteps === 0 ? 1 : Math.min(1, (step + 1) / warmupSteps);
      const b3 = slowBeta(a);
      // The slow average has the step size of the fast one but for its bias correction: lr sqrt(c2).
      const slowStepSize = scalars.lr! * Math.sqrt(1 - (options.beta2 ?? 0.999) ** (step + 1)) * alpha * a;
      return { ...scalars, beta3: b3, oneMinusBeta3: 1 - b3, slowStepSize };
    },
    update(params, grads, slots, scalars) {
      const { direction, slots: next } = fast.update(grads, slots, scalars);
      const slow = tf.add(tf.mul(slots.slow!, scalars.beta3!), tf.mul(grads, scalars.oneMinusBeta3!));
      const slowDirection = tf.div(tf.mul(slow, scalars.slowStepSize!), tf.add(tf.sqrt(next.v!), scalars.eps!));
      return {
        params: tf.sub(decay(params, scalars.lr!), tf.add(direction, slowDirection)),
        slots: { ...next, slow },
      };
    },
  };
}
