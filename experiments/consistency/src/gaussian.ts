/**
 * Denoisers in closed form, which need no training: the control for how much of the agreement between networks follows
 * from the mean and covariance of the data alone.
 *
 *   x_t = alpha x_0 + sigma eps,   C = V diag(l) V^T
 *   Gaussian data of mean m and covariance C:   E[x_0 | x_t] = m + V diag(alpha l / (alpha^2 l + sigma^2)) V^T (x_t - alpha m)
 *   The N training images themselves:           E[x_0 | x_t] = sum_j w_j x_j,   w_j ∝ exp(-|x_t - alpha x_j|^2 / (2 sigma^2))
 */
import { linearSchedule, type SamplerConfig } from '@dm/core';
import { toFloat, type Dataset } from '@dm/data';
import { createStatisticsAccumulator } from '@dm/eval';
import { createSharedNoiseSampler } from '@dm/experiments';
import { float32, type Arrays, type Engine, type NdArray, type Tensors } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';

export interface ClosedFormSampler {
  /**
   * `count` images, float32 [count, H, W, C], from the noise that all networks start from. The Gaussian denoiser is used
   * at timesteps t >= `from`, and the posterior mean over the training images at t < `from`. Default 0.
   */
  samples(count: number, steps: number, config?: SamplerConfig, from?: number): Promise<NdArray>;
}

/** Fits both denoisers to the training images. */
export async function createClosedFormSampler(train: Dataset, engine: Engine): Promise<ClosedFormSampler> {
  const { length, shape } = train;
  const dimension = shape.reduce((product, side) => product * side, 1);
  const { images } = await train.read(Uint32Array.from({ length }, (_, i) => i));
  const values = toFloat(images);
  const noiseSchedule = linearSchedule();
  const gaussian: Arrays = {
    ...gaussianState(values, dimension),
    alphasCumprod: float32(noiseSchedule.alphasCumprod, [noiseSchedule.numTimesteps]),
  };
  const all: Arrays = {
    ...gaussian,
    images: float32(values, [length, dimension]),
    halfSquares: float32(halfSquares(values, dimension), [1, length]),
  };
  return {
    async samples(count, steps, config, from = 0) {
      const sampler = createSharedNoiseSampler(
        { predict: (state, x, t) => closedForm(state, x, t, from), prediction: 'x0', noiseSchedule, shape },
        steps,
        engine,
        config,
      );
      try {
        return await sampler.samples(from === 0 ? gaussian : all, count);
      } finally {
        await sampler.dispose();
      }
    },
  };
}

/** Mean [1, D], eigenvectors [D, D], and variances [1, D] of images [N, D]. */
function gaussianState(values: Float32Array, dimension: number): Arrays {
  const statistics = createStatisticsAccumulator(dimension);
  statistics.add({ values, dimension });
  const { mean, covariance } = statistics.finish();
  const { eigenvectorMatrix, realEigenvalues } = new EigenvalueDecomposition(
    Matrix.from1DArray(dimension, dimension, covariance),
    { assumeSymmetric: true },
  );
  return {
    mean: float32(Float32Array.from(mean), [1, dimension]),
    vectors: float32(Float32Array.from(eigenvectorMatrix.to1DArray()), [dimension, dimension]),
    variances: float32(
      realEigenvalues.map((value) => Math.max(0, value)),
      [1, dimension],
    ),
  };
}

/** |x|^2 / 2 of images [N, D]: [N]. */
function halfSquares(values: Float32Array, dimension: number): Float32Array {
  const sums = new Float32Array(values.length / dimension);
  values.forEach((value, i) => (sums[Math.floor(i / dimension)]! += value ** 2 / 2));
  return sums;
}

/** E[x_0 | x_t] of x_t [N, H, W, C] at timesteps t [N]. */
function closedForm(state: Tensors, x: tf.Tensor, t: tf.Tensor, from: number): tf.Tensor {
  const rows = x.shape[0];
  const flat = tf.reshape(x, [rows, -1]);
  const alphaSquared = tf.reshape(tf.gather(state['alphasCumprod']!, tf.cast(t, 'int32')), [rows, 1]);
  const alpha = tf.sqrt(alphaSquared);
  const sigmaSquared = tf.sub(1, alphaSquared);

  const { mean, vectors, variances } = state;
  const gain = tf.div(tf.mul(alpha, variances!), tf.add(tf.mul(alphaSquared, variances!), sigmaSquared));
  const z = tf.matMul(tf.sub(flat, tf.mul(alpha, mean!)), vectors!);
  const linear = tf.add(mean!, tf.matMul(tf.mul(gain, z), vectors!, false, true));
  if (from === 0) return tf.reshape(linear, x.shape);

  // log w_j = SNR (y · x_j - |x_j|^2 / 2) + const, with y = x_t / alpha.
  const scores = tf.sub(tf.matMul(tf.div(flat, alpha), state['images']!, false, true), state['halfSquares']!);
  const weights = tf.softmax(tf.mul(tf.div(alphaSquared, sigmaSquared), scores));
  const posterior = tf.matMul(weights, state['images'] as tf.Tensor2D);
  const isEarly = tf.greaterEqual(tf.reshape(t, [rows, 1]), from);
  return tf.reshape(tf.where(isEarly, linear, posterior), x.shape);
}
