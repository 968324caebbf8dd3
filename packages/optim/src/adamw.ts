import * as tf from '@tensorflow/tfjs-core';
import { adamMoments } from './adam-moments.js';
import { type Optimizer, zeroSlots } from './optimizer.js';
import type { StepSchedule } from './step-schedule.js';
import { decoupledDecay, type WeightDecay } from './weight-decay.js';

export interface AdamWOptions {
  /** Learning rate: a number or a schedule. */
  readonly lr: number | StepSchedule;
  /** Momentum: a number in [0, 1) or a schedule such as `momentumDecay`'s; 0.9 by default. */
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
 *   p <- p (1 - lr wd) - lr (m / c1) / (sqrt(v / c2) + eps)
 *
 * with the moments of `adam-moments.ts`; beta1 may change from step to step, and c1 = 1 - product of the beta1 used so
 * far.
 * @throws {RangeError} on an option out of range
 */
export function adamW(options: AdamWOptions): Optimizer {
  const decay = decoupledDecay('adamW', options.weightDecay ?? 0.01);
  const moments = adamMoments('adamW', options);
  return {
    name: 'adamW',
    ...zeroSlots(moments.slots),
    scalars: moments.scalars,
    update(params, grads, slots, scalars) {
      const { direction, slots: next } = moments.update(grads, slots, scalars);
      return { params: tf.sub(decay(params, scalars.lr!), direction), slots: next };
    },
  };
}
