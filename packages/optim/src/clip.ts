import * as tf from '@tensorflow/tfjs-core';

/** Euclidean norm of a flat gradient: [P] → scalar. */
export function gradientNorm(grads: tf.Tensor): tf.Tensor {
  return tf.sqrt(tf.sum(tf.square(grads)));
}

/**
 * Scales `grads` [P] by min(1, maxNorm / (norm + 1e-6)), as PyTorch's `clip_grad_norm_`. `maxNorm` is a number > 0 or a
 * scalar tensor. Returns the scaled gradient [P] and the norm before clipping (a scalar).
 * @throws {RangeError} if `maxNorm` is a number that is not > 0
 */
export function clipByGlobalNorm(
  grads: tf.Tensor,
  maxNorm: number | tf.Tensor,
): { readonly grads: tf.Tensor; readonly norm: tf.Tensor } {
  if (typeof maxNorm === 'number' && !(maxNorm > 0)) {
    throw new RangeError(`clipByGlobalNorm: maxNorm must be a number > 0, got ${maxNorm}`);
  }
  const norm = gradientNorm(grads);
  const coefficient = tf.minimum(1, tf.div(maxNorm, tf.add(norm, 1e-6)));
  return { grads: tf.mul(grads, coefficient), norm };
}
