import * as tf from '@tensorflow/tfjs-core';
import { checkNonNegative, type Tensors } from '@dm/ops';
import type { NoiseLevel } from '../levels/level.js';

/** Classifier-free guidance. Ho & Salimans 2022, arXiv:2207.12598, with w = scale - 1. */
export interface Guidance {
  /** At least 0. 1 is the conditional model, 0 the unconditional one. */
  readonly scale: number;
  /**
   * Guide only while the noise-to-signal ratio sigma / alpha is in [low, high]; otherwise only the conditional model is
   * evaluated, at half the cost. Default: all levels. Kynkäänniemi et al. 2024, arXiv:2404.07724.
   */
  readonly interval?: readonly [low: number, high: number];
}

/** @throws {RangeError} if the scale is negative, or the interval is not 0 <= low <= high */
export function checkGuidance({ scale, interval = [0, Infinity] }: Guidance): void {
  checkNonNegative('guidance: scale', scale);
  const [low, high] = interval;
  if (!(low >= 0 && high >= low)) {
    throw new RangeError(`guidance: interval must be 0 <= low <= high, got [${low}, ${high}]`);
  }
}

/** Whether the unconditional model is needed at this level. */
export function guides({ scale, interval = [0, Infinity] }: Guidance, { alpha, sigma }: NoiseLevel): boolean {
  const ratio = sigma / alpha;
  return scale !== 1 && ratio >= interval[0] && ratio <= interval[1];
}

/**
 * unconditional + scale * (conditional - unconditional), from one evaluation with a batch of 2N. Inputs without an
 * unconditional counterpart are shared by both halves.
 *
 * Only the prediction is guided: if the output has 2C channels, the second half (the learned variance) is the
 * conditional model's, as in DiT and diffusers.
 */
export function guided(
  evaluate: (x: tf.Tensor, t: tf.Tensor, inputs: Tensors) => tf.Tensor,
  x: tf.Tensor,
  t: tf.Tensor,
  inputs: Tensors,
  unconditional: Tensors,
  scale: tf.Tensor,
): tf.Tensor {
  const both = Object.entries(inputs).map(
    ([name, tensor]) => [name, tf.concat([tensor, unconditional[name] ?? tensor], 0)] as const,
  );
  const output = evaluate(tf.concat([x, x], 0), tf.concat([t, t], 0), Object.fromEntries(both));
  const [conditional, without] = tf.split(output, 2, 0);
  const [channels, given] = [x.shape[x.rank - 1]!, output.shape[output.rank - 1]!];
  if (given !== 2 * channels) return extrapolated(conditional!, without!, scale);
  const [mean, variance] = tf.split(conditional!, 2, -1);
  const [meanWithout] = tf.split(without!, 2, -1);
  return tf.concat([extrapolated(mean!, meanWithout!, scale), variance!], -1);
}

function extrapolated(conditional: tf.Tensor, unconditional: tf.Tensor, scale: tf.Tensor): tf.Tensor {
  return tf.add(unconditional, tf.mul(scale, tf.sub(conditional, unconditional)));
}
