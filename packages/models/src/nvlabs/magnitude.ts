/** Magnitude-preserving operations of EDM2: Karras et al. 2024, arXiv:2312.02696. */
import * as tf from '@tensorflow/tfjs-core';
import { silu } from '@dm/ops';

/** Epsilon of `normalize` in NVlabs/edm2. */
export const normalizeEpsilon = 1e-4;

/**
 * Scales vectors to unit magnitude, the square root of the mean square over `axes` (Eq. 47):
 * x / (1e-4 + |x| / sqrt(n)) with n elements per vector.
 */
export function normalize(x: tf.Tensor, axes: readonly number[]): tf.Tensor {
  const count = axes.reduce((product, axis) => product * x.shape[axis]!, 1);
  // The maximum makes the gradient of a zero vector 0, as in PyTorch, in place of NaN.
  const squares = tf.maximum(tf.sum(tf.square(x), [...axes], true), 1e-30);
  return tf.div(x, tf.add(tf.mul(tf.sqrt(squares), Math.sqrt(1 / count)), normalizeEpsilon));
}

/** SiLU over the magnitude of its output for normal inputs (Eq. 81). */
export const mpSilu = (x: tf.Tensor): tf.Tensor => tf.div(silu(x), 0.596);

/** Weighted sum that preserves the magnitude of independent terms (Eq. 88); t is the share of b. */
export function mpSum(a: tf.Tensor, b: tf.Tensor, t: number): tf.Tensor {
  const scale = Math.sqrt((1 - t) ** 2 + t ** 2);
  return tf.add(tf.mul(a, (1 - t) / scale), tf.mul(b, t / scale));
}

/** Concatenation along the channels in which b has the share t of the magnitude (Eq. 103). */
export function mpConcat(a: tf.Tensor, b: tf.Tensor, t: number): tf.Tensor {
  const [first, second] = [a.shape.at(-1)!, b.shape.at(-1)!];
  const scale = Math.sqrt((first + second) / ((1 - t) ** 2 + t ** 2));
  return tf.concat(
    [tf.mul(a, (scale / Math.sqrt(first)) * (1 - t)), tf.mul(b, (scale / Math.sqrt(second)) * t)],
    a.rank - 1,
  );
}
