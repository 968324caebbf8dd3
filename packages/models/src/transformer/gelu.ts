/** GELU, Hendrycks & Gimpel 2016, arXiv:1606.08415. */
import * as tf from '@tensorflow/tfjs-core';

/** x/2 (1 + erf(x / sqrt(2))). */
export const gelu = (x: tf.Tensor): tf.Tensor => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));

/** The tanh approximation x/2 (1 + tanh(sqrt(2/π) (x + .044715 x³))) = x sigmoid(2 sqrt(2/π) (x + .044715 x³)). */
export function geluTanh(x: tf.Tensor): tf.Tensor {
  const a = 2 * Math.sqrt(2 / Math.PI);
  return tf.mul(x, tf.sigmoid(tf.mul(x, tf.add(tf.mul(tf.square(x), a * 0.044715), a))));
}
