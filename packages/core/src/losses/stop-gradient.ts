import * as tf from '@tensorflow/tfjs-core';

/** Returns x and blocks its gradient, as `jax.lax.stop_gradient`. */
export function stopGradient(x: tf.Tensor): tf.Tensor {
  return tf.customGrad((input) => ({
    value: tf.clone(input as tf.Tensor),
    // Not of the input, which may be disposed by then.
    gradFunc: (dy) => tf.zerosLike(dy),
  }))(x);
}
