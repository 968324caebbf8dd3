import * as tf from '@tensorflow/tfjs-core';
import { checkChoice, checkInRange, checkInteger, checkNumber, checkPositive } from '@dm/ops';
import type { Scalars } from './optimizer.js';
import type { StepSchedule } from './step-schedule.js';

/** An exponential moving average (EMA) of the parameters. */
export interface Ema {
  /** Decay at optimizer step `step` (from 0), in [0, 1): the fraction of the old average that is retained. */
  readonly decay: StepSchedule;
  /**
   * Inputs of `update` at `step`: `emaRate` = 1 - decay, computed in float64, since 1 - decay in float32 loses digits.
   */
  scalars(this: void, step: number): Scalars;
  /**
   * The new average [P], from the old one [P], the parameters [P] after the optimizer step, and `scalars` as tensors.
   */
  update(this: void, ema: tf.Tensor, params: tf.Tensor, scalars: Readonly<Record<string, tf.Tensor>>): tf.Tensor;
}

/** ema + rate (params - ema), with a scalar tensor rate = 1 - decay; ema and params are [P]. */
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
 * EMA with a constant decay in [0, 1). Most papers use 0.9999, which is too slow for runs of a few thousand steps.
 * @throws {RangeError} if decay is not in [0, 1)
 */
export function fixedEma(decay: number): Ema {
  checkInRange('fixedEma: decay', decay, '[0, 1)');
  return fromDecay(() => decay);
}

/** Options of diffusers' `EMAModel`, with its defaults. */
export interface EmaModelOptions {
  /** Upper bound of the decay, in [0, 1). Default 0.9999. */
  readonly maxDecay?: number;
  /** Lower bound of the decay after the first update, in [0, maxDecay]. Default 0. */
  readonly minDecay?: number;
  /** Optimizer steps before averaging starts (`update_after_step` in diffusers), >= 0. Default 0. */
  readonly updateAfterStep?: number;
}

export interface PowerEmaOptions extends EmaModelOptions {
  /** Inverse rate of the warmup, in optimizer steps (`inv_gamma` in diffusers), > 0. Default 1. */
  readonly invGamma?: number;
  /** Exponent, > 0. Default 2/3, for runs of a million steps; use 3/4 for shorter runs. */
  readonly power?: number;
}

/**
 * EMA with a power warmup, decay = clip(1 - (1 + k / invGamma)^-power, minDecay, maxDecay), k = step - updateAfterStep,
 * as diffusers' `EMAModel` with `use_ema_warmup`. While k <= 0 the decay is 0: the average equals the parameters.
 * @throws {RangeError} if not 0 <= minDecay <= maxDecay < 1, invGamma or power is not > 0, or updateAfterStep is not an
 * integer >= 0
 */
export function powerEma(options: PowerEmaOptions = {}): Ema {
  const { invGamma = 1, power = 2 / 3 } = options;
  checkPositive('powerEma: invGamma', invGamma);
  checkPositive('powerEma: power', power);
  return emaModel('powerEma', options, (k) => 1 - (1 + k / invGamma) ** -power);
}

/**
 * EMA with decay = clip((1 + k) / (10 + k), minDecay, maxDecay), k = step - updateAfterStep, as diffusers' `EMAModel`
 * without `use_ema_warmup`. While k <= 0 the decay is 0: the average equals the parameters.
 * @throws {RangeError} if not 0 <= minDecay <= maxDecay < 1, or updateAfterStep is not an integer >= 0
 */
export function rationalEma(options: EmaModelOptions = {}): Ema {
  return emaModel('rationalEma', options, (k) => (1 + k) / (10 + k));
}

/** As diffusers' `EMAModel.get_decay`, whose `optimization_step` is step + 1. */
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
  /** Half-life of the average in training images, > 0. */
  readonly halfLifeImages: number;
  /** Images per optimizer step (batch size times gradient accumulation times ranks), > 0. */
  readonly batchSize: number;
  /**
   * Warmup: the half-life is at most this fraction of the images seen so far, > 0. Default 0.05, or 0.09 for the ramp
   * `edm2`; Infinity disables the warmup.
   */
  readonly rampUp?: number;
  /** Whether the images seen exclude (`edm`, the default) or include (`edm2`) the current step's images. */
  readonly ramp?: 'edm' | 'edm2';
}

/**
 * EMA with a half-life in images, decay = 0.5^(batchSize / h), h = min(halfLifeImages, rampUp * images seen), as in
 * `training_loop.py` of https://github.com/NVlabs/edm or `TraditionalEMA` of https://github.com/NVlabs/edm2. The same
 * half-life is comparable across batch sizes.
 * @throws {RangeError} if halfLifeImages, batchSize, or rampUp is not > 0, or the ramp is unknown
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
 * Power-function EMA, Section 3.1 of Karras et al. 2024, arXiv:2312.02696 (EDM2): decay = (1 - 1 / n)^(gamma + 1) at
 * step n = 1, 2, ..., so that at any time the average spans the same fraction of the training so far. `relativeStd` in
 * (0, 0.28] is the standard deviation of its weights, relative to the length of training; the paper uses 0.05 and 0.1.
 * `postHocEmaCoefficients` combines several of these to an average of another width.
 * @throws {RangeError} if relativeStd is not in (0, 0.28]
 */
export function karrasEma(options: { readonly relativeStd: number }): Ema {
  const gamma = powerFunctionExponent('karrasEma', options.relativeStd);
  return fromDecay((step) => (1 - 1 / (step + 1)) ** (gamma + 1));
}

/**
 * The exponent gamma of a power-function average with this relative standard deviation, sigma_rel = sqrt((gamma + 1) /
 * ((gamma + 2)^2 (gamma + 3))): Eq. 123 of the same paper, inverted.
 * @throws {RangeError} if relativeStd is not in (0, 0.28]; the message begins with `owner`
 */
export function powerFunctionExponent(owner: string, relativeStd: number): number {
  checkInRange(`${owner}: relativeStd`, relativeStd, '(0, 0.28]');
  // Bisection: the width decreases from 0.2887 at gamma = 0, and is about 1 / gamma for large gamma.
  let low = 0;
  let high = 2 / relativeStd;
  for (let i = 0; i < 100; i++) {
    const middle = (low + high) / 2;
    if (profileWidth(middle) > relativeStd) low = middle;
    else high = middle;
  }
  return low;
}

/** sigma_rel of an exponent gamma. */
function profileWidth(gamma: number): number {
  return Math.sqrt((gamma + 1) / ((gamma + 2) ** 2 * (gamma + 3)));
}
