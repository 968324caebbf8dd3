import * as tf from '@tensorflow/tfjs-core';
import { checkChoice, checkInRange, checkInteger, checkNumber, checkPositive } from '@dm/ops';
import type { Scalars } from './optimizer.js';
import type { StepSchedule } from './step-schedule.js';

/** An exponential moving average of the parameters: a decay for each step, and the update inside the program. */
export interface Ema {
  /** Share of the old average that stays at optimizer step `step` (from 0), in [0, 1). */
  readonly decay: StepSchedule;
  /** Input of `update` at `step`: `emaRate` = 1 - decay, formed on the host because float32 would lose its digits. */
  scalars(this: void, step: number): Scalars;
  /** ema, params [size] after the optimizer's step; the scalar tensors of `scalars` by name → the new average. */
  update(this: void, ema: tf.Tensor, params: tf.Tensor, scalars: Readonly<Record<string, tf.Tensor>>): tf.Tensor;
}

/** ema + rate (params - ema), rate = 1 - decay a scalar tensor. ema, params [P]. */
function emaUpdate(ema: tf.Tensor, params: tf.Tensor, rate: tf.Tensor): tf.Tensor {
  return tf.add(ema, tf.mul(tf.sub(params, ema), rate));
}

function fromDecay(decay: StepSchedule): Ema {
  return {
    decay,
    scalars: (step) => ({ emaRate: 1 - decay(step) }),
    update: (ema, params, scalars) => emaUpdate(ema, params, scalars.emaRate!),
  };
}

/**
 * The same decay at every step, in [0, 1): 0.9999 in most papers, too slow for short runs.
 * @throws {RangeError} on another decay
 */
export function fixedEma(decay: number): Ema {
  checkInRange('fixedEma: decay', decay, '[0, 1)');
  return fromDecay(() => decay);
}

/** Options of diffusers' `EMAModel`, with its defaults. */
export interface EmaModelOptions {
  /** Largest decay, in [0, 1); 0.9999 by default. */
  readonly maxDecay?: number;
  /** Smallest decay once the average has begun, in [0, maxDecay]; 0 by default. */
  readonly minDecay?: number;
  /** Steps for which the average stays equal to the parameters, >= 0; 0 by default. `update_after_step` in diffusers. */
  readonly updateAfterStep?: number;
}

export interface PowerEmaOptions extends EmaModelOptions {
  /** Steps over which the warm-up stretches, > 0; 1 by default. */
  readonly invGamma?: number;
  /** Exponent, > 0; 2/3 suits runs of a million steps, 3/4 shorter ones; 2/3 by default. */
  readonly power?: number;
}

/**
 * Power warm-up, decay = clip(1 - (1 + k / invGamma)^-power, minDecay, maxDecay), k = step - updateAfterStep, as
 * diffusers' `EMAModel` with `use_ema_warmup`. While k <= 0 the decay is 0: the average begins as the parameters.
 * @throws {RangeError} unless 0 <= minDecay <= maxDecay < 1, invGamma and power are above 0 and updateAfterStep is a
 *   whole number of at least 0
 */
export function powerEma(options: PowerEmaOptions = {}): Ema {
  const { invGamma = 1, power = 2 / 3 } = options;
  checkPositive('powerEma: invGamma', invGamma);
  checkPositive('powerEma: power', power);
  return emaModel('powerEma', options, (k) => 1 - (1 + k / invGamma) ** -power);
}

/**
 * decay = clip((1 + k) / (10 + k), minDecay, maxDecay), k = step - updateAfterStep, as diffusers' `EMAModel` without
 * `use_ema_warmup`. While k <= 0 the decay is 0: the average begins as the parameters.
 * @throws {RangeError} unless 0 <= minDecay <= maxDecay < 1 and updateAfterStep is a whole number of at least 0
 */
export function rationalEma(options: EmaModelOptions = {}): Ema {
  return emaModel('rationalEma', options, (k) => (1 + k) / (10 + k));
}

/** `EMAModel.get_decay`; its optimization_step is step + 1. */
function emaModel(owner: string, options: EmaModelOptions, warmUp: (k: number) => number): Ema {
  const { maxDecay = 0.9999, minDecay = 0, updateAfterStep = 0 } = options;
  checkInRange(`${owner}: maxDecay`, maxDecay, '[0, 1)');
  checkNumber(`${owner}: minDecay`, minDecay, 'in [0, maxDecay]', (v) => v >= 0 && v <= maxDecay);
  checkInteger(`${owner}: updateAfterStep`, updateAfterStep, 0);
  return fromDecay((step) => {
    const k = step - updateAfterStep;
    return k <= 0 ? 0 : Math.max(minDecay, Math.min(maxDecay, warmUp(k)));
  });
}

export interface HalfLifeEmaOptions {
  /** Images after which half of the old average is left, > 0. */
  readonly halfLifeImages: number;
  /** Images a step (batch times accumulation times ranks), > 0. */
  readonly batchSize: number;
  /**
   * The half-life is at most this share of the images seen so far; 0.05 by default, 0.09 for the ramp `edm2`, Infinity
   * for no warm-up.
   */
  readonly rampUp?: number;
  /** Whether the images seen are those before this step (`edm`, the default) or include this step's (`edm2`). */
  readonly ramp?: 'edm' | 'edm2';
}

/**
 * decay = 0.5^(batchSize / h), h = min(halfLifeImages, rampUp * images seen), as in the training loop of Karras et al.
 * 2022, arXiv:2206.00364, or as `TraditionalEMA` of EDM2's code. Comparable between batch sizes.
 * @throws {RangeError} unless all three numbers are above 0, and on an unknown ramp
 */
export function halfLifeEma(options: HalfLifeEmaOptions): Ema {
  const { halfLifeImages, batchSize, ramp = 'edm' } = options;
  checkChoice('halfLifeEma: ramp', ramp, ['edm', 'edm2']);
  const { rampUp = ramp === 'edm2' ? 0.09 : 0.05 } = options;
  checkPositive('halfLifeEma: halfLifeImages', halfLifeImages);
  checkPositive('halfLifeEma: batchSize', batchSize);
  if (rampUp !== Infinity) checkNumber('halfLifeEma: rampUp', rampUp, 'a number > 0 or Infinity', (v) => v > 0);
  return fromDecay((step) => {
    const seen = (ramp === 'edm2' ? step + 1 : step) * batchSize;
    return 0.5 ** (batchSize / Math.min(halfLifeImages, rampUp === Infinity ? Infinity : rampUp * seen));
  });
}

/**
 * Power-function averaging of Karras et al. 2024, arXiv:2312.02696 (EDM2), Sec. 3: decay = (1 - 1 / n)^(gamma + 1) at
 * the n-th step, n from 1, so that the average covers the same share of the run whenever it is read. `relativeStd` is
 * the width of its profile over the length of training, sigma_rel = sqrt((gamma + 1) / ((gamma + 2)^2 (gamma + 3))), in
 * (0, 0.28]; 0.05 and 0.1 in the paper.
 * @throws {RangeError} on a width outside of that
 */
export function karrasEma(options: { readonly relativeStd: number }): Ema {
  const { relativeStd } = options;
  checkInRange('karrasEma: relativeStd', relativeStd, '(0, 0.28]');
  // The width falls with gamma from 0.2887 at 0; about 1 / gamma for large gamma.
  let low = 0;
  let high = 2 / relativeStd;
  for (let i = 0; i < 100; i++) {
    const middle = (low + high) / 2;
    if (profileWidth(middle) > relativeStd) low = middle;
    else high = middle;
  }
  return fromDecay((step) => (1 - 1 / (step + 1)) ** (low + 1));
}

function profileWidth(gamma: number): number {
  return Math.sqrt((gamma + 1) / ((gamma + 2) ** 2 * (gamma + 3)));
}
