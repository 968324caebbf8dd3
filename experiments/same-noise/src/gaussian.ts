/**
 * What a linear denoiser would generate, the control for how much of the agreement follows from mean and covariance of the
 * data. If the images of a class have a Gaussian distribution N(m, C), the probability flow ODE (Song 2021, section 4.3)
 * takes the noise z to x = alpha m + (alpha^2 C + sigma^2 I)^(1/2) z at the level x = alpha x_0 + sigma epsilon, with any
 * noise schedule that starts in pure noise, and so does a rectified flow. At the end, x_0 = m + C^(1/2) z.
 */
import type { NoiseLevel } from '@dm/core';
import { createStatisticsAccumulator } from '@dm/eval';
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import type { Rows } from './compare.js';

/** The Gaussian distribution of the images of a label, with its covariance V diag(variances) V^T. */
interface Gaussian {
  readonly mean: Float64Array;
  readonly vectors: Matrix;
  readonly variances: readonly number[];
}

/** The distribution of each label. */
export type Gaussians = ReadonlyMap<number, Gaussian>;

/** Fits the distributions to `images` in [-1, 1]. */
export function fitGaussians({ values, dimension }: Rows, labels: ArrayLike<number>): Gaussians {
  const fitted = new Map<number, Gaussian>();
  for (const label of new Set(Array.from(labels))) {
    const statistics = createStatisticsAccumulator(dimension);
    for (let i = 0; i < labels.length; i++) {
      if (labels[i] !== label) continue;
      statistics.add({ values: values.subarray(i * dimension, (i + 1) * dimension), dimension });
    }
    const { mean, covariance } = statistics.finish();
    const { eigenvectorMatrix, realEigenvalues } = new EigenvalueDecomposition(
      Matrix.from1DArray(dimension, dimension, covariance),
      { assumeSymmetric: true },
    );
    const variances = realEigenvalues.map((value) => Math.max(0, value));
    fitted.set(label, { mean, vectors: eigenvectorMatrix, variances });
  }
  return fitted;
}

/** Takes each row of `noise`, whose label is the one in `labels`, along the probability flow to a noise level. */
export function gaussianFlow(
  gaussians: Gaussians,
  { values: noise, dimension }: Rows,
  labels: ArrayLike<number>,
  { alpha, sigma }: Pick<NoiseLevel, 'alpha' | 'sigma'>,
): Rows {
  const values = new Float32Array(noise.length);
  for (const [label, { mean, vectors, variances }] of gaussians) {
    const indices = Array.from(labels, (_, i) => i).filter((i) => labels[i] === label);
    if (indices.length === 0) continue;
    const z = new Matrix(indices.map((i) => Array.from(noise.subarray(i * dimension, (i + 1) * dimension))));
    const roots = variances.map((variance) => Math.sqrt(alpha ** 2 * variance + sigma ** 2));
    const x = z.mmul(vectors).mulRowVector(roots).mmul(vectors.transpose());
    for (const [row, i] of indices.entries()) {
      for (let j = 0; j < dimension; j++) values[i * dimension + j] = alpha * mean[j]! + x.get(row, j);
    }
  }
  return { values, dimension };
}

/** The images at the end of the flow, clipped to [-1, 1]. */
export function gaussianImages(gaussians: Gaussians, noise: Rows, labels: ArrayLike<number>): Rows {
  const { values, dimension } = gaussianFlow(gaussians, noise, labels, { alpha: 1, sigma: 0 });
  return { values: values.map((value) => Math.min(1, Math.max(-1, value))), dimension };
}
