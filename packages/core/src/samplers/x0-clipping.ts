import * as tf from '@tensorflow/tfjs-core';
import { checkInRange, checkNumber, checkPositive } from '@dm/ops';
import { perImage } from '../process/forward.js';

/** Limits x_0 at each step: by `clip`, by `threshold`, or not at all. */
export interface X0Clipping {
  /** x_0 is clipped to [-clip, clip]. */
  readonly clip?: number;
  /** Dynamic thresholding. Section 2.3 of Saharia et al. 2022, arXiv:2205.11487. */
  readonly threshold?: {
    /** Quantile of |x_0| of an image that becomes its range, in (0, 1). Default 0.995. */
    readonly quantile?: number;
    /** Upper bound of the range, at least 1. Default 1, as in diffusers, which is plain clipping. */
    readonly max?: number;
  };
}

/** @throws {RangeError} if a value is out of range, or both `clip` and `threshold` are given */
export function checkLimit({ clip, threshold }: X0Clipping): void {
  if (clip !== undefined && threshold !== undefined) throw new RangeError('sampler: pass clip or threshold, not both');
  if (clip !== undefined) checkPositive('sampler: clip', clip);
  if (threshold) {
    const { quantile = 0.995, max = 1 } = threshold;
    checkInRange('sampler: threshold.quantile', quantile, '(0, 1)');
    checkNumber('sampler: threshold.max', max, 'a number >= 1', (m) => m >= 1);
  }
}

/** Clips or thresholds x0 [N, ...]. */
export function limitX0(x0: tf.Tensor, { clip, threshold }: X0Clipping): tf.Tensor {
  if (clip !== undefined) return tf.clipByValue(x0, -clip, clip);
  if (threshold === undefined) return x0;
  const range = tf.clipByValue(quantilePerImage(tf.abs(x0), threshold.quantile ?? 0.995), 1, threshold.max ?? 1);
  const s = perImage(range, x0.rank);
  return tf.div(tf.maximum(tf.minimum(x0, s), tf.neg(s)), s);
}

/** The q-quantile of each image, linearly interpolated: [N, ...] → [N]. */
function quantilePerImage(values: tf.Tensor, q: number): tf.Tensor {
  const flat = tf.reshape(values, [values.shape[0], -1]);
  const size = flat.shape[1]!;
  const position = q * (size - 1);
  const below = Math.floor(position);
  // Only the k largest are needed; topk returns them in descending order.
  const k = size - below;
  const { values: top } = tf.topk(flat, k);
  const low = tf.slice(top, [0, k - 1], [-1, 1]);
  const high = tf.slice(top, [0, Math.max(k - 2, 0)], [-1, 1]);
  return tf.reshape(tf.add(low, tf.mul(tf.sub(high, low), position - below)), [-1]);
}
