/**
 * What a linear denoiser would generate, the control for how much of the agreement follows from mean and covariance of the
 * data. If the images of a class have a Gaussian distribution N(m, C), the probability flow ODE (Song 2021, section 4.3)
 * takes the noise z to x_0 = m + C^(1/2) z, with any noise schedule that ends in pure noise, and so does a rectified flow.
 */
import { createStatisticsAccumulator } from '@dm/eval';
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import type { Rows } from './compare.js';

/** `images` in [-1, 1] and their labels; `noise` and the label of each of its rows. The result is clipped to [-1, 1]. */
export function gaussianImages(
  images: Rows,
  imageLabels: ArrayLike<number>,
  noise: Rows,
  labels: ArrayLike<number>,
): Rows {
  const { dimension } = images;
  const values = new Float32Array(noise.values.length);
  for (const label of new Set(Array.from(labels))) {
    const statistics = createStatisticsAccumulator(dimension);
    for (let i = 0; i < imageLabels.length; i++) {
      if (imageLabels[i] !== label) continue;
      statistics.add({ values: images.values.subarray(i * dimension, (i + 1) * dimension), dimension });
    }
    const { mean, covariance } = statistics.finish();
    const root = squareRoot(Matrix.from1DArray(dimension, dimension, covariance));
    for (let i = 0; i < labels.length; i++) {
      if (labels[i] !== label) continue;
      const z = Matrix.columnVector(noise.values.subarray(i * dimension, (i + 1) * dimension));
      const x = root.mmul(z).to1DArray();
      x.forEach((value, j) => (values[i * dimension + j] = Math.min(1, Math.max(-1, mean[j]! + value))));
    }
  }
  return { values, dimension };
}

/** The symmetric square root of a covariance: V diag(sqrt(l)) V^T. */
function squareRoot(covariance: Matrix): Matrix {
  const { eigenvectorMatrix: v, realEigenvalues } = new EigenvalueDecomposition(covariance, { assumeSymmetric: true });
  const roots = realEigenvalues.map((value) => Math.sqrt(Math.max(0, value)));
  return v.clone().mulRowVector(roots).mmul(v.transpose());
}
