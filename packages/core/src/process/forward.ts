/**
 * The forward process as tensor functions. Coefficients are tensors [N], so that a compiled program takes them as
 * inputs.
 */
import * as tf from '@tensorflow/tfjs-core';

/** x_t = alpha x_0 + sigma noise. x0, noise [N, ...]; alpha, sigma [N]. Eq. 4 of arXiv:2006.11239. */
export function addNoise(
  x0: tf.Tensor,
  noise: tf.Tensor,
  { alpha, sigma }: { readonly alpha: tf.Tensor; readonly sigma: tf.Tensor },
): tf.Tensor {
  return mix(x0, alpha, noise, sigma);
}

/**
 * The training target coefficients.x0 x_0 + coefficients.noise noise. x0 and noise are [N, ...]; the coefficients, from
 * `targetInputs`, are [N].
 */
export function predictionTarget(
  x0: tf.Tensor,
  noise: tf.Tensor,
  coefficients: { readonly x0: tf.Tensor; readonly noise: tf.Tensor },
): tf.Tensor {
  return mix(x0, coefficients.x0, noise, coefficients.noise);
}

/**
 * Converts the network's output: coefficients.x x_t + coefficients.output output, with [N] coefficients from
 * `conversion`.
 */
export function convertPrediction(
  x: tf.Tensor,
  output: tf.Tensor,
  coefficients: { readonly x: tf.Tensor; readonly output: tf.Tensor },
): tf.Tensor {
  return mix(x, coefficients.x, output, coefficients.output);
}

function mix(a: tf.Tensor, ofA: tf.Tensor, b: tf.Tensor, ofB: tf.Tensor): tf.Tensor {
  return tf.add(tf.mul(perImage(ofA, a.rank), a), tf.mul(perImage(ofB, b.rank), b));
}

/** Reshapes [N] to [N, 1, 1, ...], to broadcast against a tensor of this rank. */
export function perImage(values: tf.Tensor, rank: number): tf.Tensor {
  return tf.reshape(values, [values.shape[0], ...Array<number>(rank - 1).fill(1)]);
}
