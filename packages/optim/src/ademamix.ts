import * as tf from '@tensorflow/tfjs-core';
import { adamMoments } from './adam-moments.js';
import { checkInRange, checkInteger, checkNonNegative, checkNumber } from '@dm/ops';
import { type Optimizer, withCheckedUpdate, zeroSlots } from './optimizer.js';
import type { StepSchedule } from './step-schedule.js';
import { decoupledDecay, type WeightDecay } from './weight-decay.js';

export interface AdEMAMixOptions {
  /** Learning rate: a number, or a schedule over optimizer steps. */
  readonly lr: number | StepSchedule;
  /** Decay rate of the fast momentum, in [0, 1). Default 0.9. */
  readonly beta1?: number;
  /** Decay rate of the second moment, in [0, 1). Default 0.999. */
  readonly beta2?: number;
  /** Decay rate of the slow momentum, in (beta1, 1). Default 0.9999. */
  readonly beta3?: number;
  /** Weight of the slow momentum, >= 0. Default 2. */
  readonly alpha?: number;
  /** Optimizer steps over which alpha and beta3 rise to their values, >= 0. Default 0; the paper uses the whole run. */
  readonly warmupSteps?: number;
  /** Added to the square root; > 0. Default 1e-8. */
  readonly eps?: number;
  /** Decoupled weight decay, multiplied by the learning rate. Default 0. */
  readonly weightDecay?: WeightDecay;
}

/**
 * AdEMAMix: Algorithm 1 of Pagliardini et al. 2024, arXiv:2409.03137. AdamW with a second, slow momentum,
 *
 *   p <- p (1 - lr wd) - lr (m1 / c1 + alpha m2) / (sqrt(v / c2) + eps),    m2 <- b3 m2 + (1 - b3) g
 *
 * During warmup, with a = (step + 1) / warmupSteps, alpha grows linearly from 0, and the half-life of b3 grows linearly
 * from the half-life of beta1: 1 / ln b3(a) = (1 - a) / ln beta1 + a / ln beta3.
 * @throws {RangeError} if an option is out of range
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
    // The limit as beta1 → 0, whose half-life is 0.
    const inverse = (beta1 === 0 ? 0 : (1 - a) / Math.log(beta1)) + a / Math.log(beta3);
    return Math.exp(1 / inverse);
  };
  return withCheckedUpdate({
    name: 'adEMAMix',
    ...zeroSlots([...fast.slots, 'slow']),
    scalars(step) {
      const scalars = fast.scalars(step);
      const a = warmupSteps === 0 ? 1 : Math.min(1, (step + 1) / warmupSteps);
      const b3 = slowBeta(a);
      // As stepSize of `adamMoments`, but without the bias correction c1: lr sqrt(c2).
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
  });
}
