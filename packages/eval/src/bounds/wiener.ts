/**
 * The loss of the linear denoiser that is optimal for images of given mean and covariance: the Wiener filter, which is the
 * posterior mean for Gaussian data. A network has learned something beyond second-order statistics only below it.
 *
 *   x_t = alpha x_0 + sigma eps,   C = V diag(l) V^T,   SNR = alpha^2 / sigma^2
 *   E[x_0 | x_t] = mean + V diag(alpha l / (alpha^2 l + sigma^2)) V^T (x_t - alpha mean)
 *
 * The expectation over the noise has a closed form. With z = V^T (x_0 - mean) the squared error of epsilon is
 *
 *   SNR |x_0 - E[x_0 | x_t]|^2 = sum_i SNR (z_i^2 + SNR l_i^2) / (1 + SNR l_i)^2
 */
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { checkSameDimension, type Features } from '../metrics/features.js';
import type { FeatureStatistics } from '../metrics/statistics.js';

/** The mean squared error of epsilon per value of an image, as a function of the log-SNR. */
export type DenoiserLoss = (logSnr: number) => number;

/**
 * The Wiener filter's loss on images, [N, D] with the pixels of each image as one row, after fitting it to the images
 * that `fitted` describes. Takes time in proportion to D^3: about 5 s for 784 values per image.
 * @throws {EvalError} if the dimensions differ
 */
export function wienerLoss(fitted: FeatureStatistics, images: Features): DenoiserLoss {
  const { dimension, mean } = fitted;
  checkSameDimension(fitted, images);
  const { eigenvectorMatrix, realEigenvalues } = new EigenvalueDecomposition(
    Matrix.from1DArray(dimension, dimension, fitted.covariance),
    { assumeSymmetric: true },
  );
  const variances = realEigenvalues.map((value) => Math.max(0, value));
  const squares = meanSquares(images, mean, eigenvectorMatrix);
  return (logSnr) => {
    const snr = Math.exp(logSnr);
    let sum = 0;
    for (let i = 0; i < dimension; i++) {
      const variance = variances[i]!;
      sum += (snr * (squares[i]! + snr * variance * variance)) / (1 + snr * variance) ** 2;
    }
    return sum / dimension;
  };
}

/** The mean over images of z_i^2, z = V^T (x - mean): [D]. */
function meanSquares({ values, dimension }: Features, mean: Float64Array, vectors: Matrix): Float64Array {
  const rows = values.length / dimension;
  const squares = new Float64Array(dimension);
  const block = 256;
  for (let first = 0; first < rows; first += block) {
    const count = Math.min(block, rows - first);
    const centered = Float64Array.from(
      { length: count * dimension },
      (_, i) => values[first * dimension + i]! - mean[i % dimension]!,
    );
    const z = Matrix.from1DArray(count, dimension, centered).mmul(vectors);
    for (let n = 0; n < count; n++) {
      for (let i = 0; i < dimension; i++) squares[i]! += z.get(n, i) ** 2 / rows;
    }
  }
  return squares;
}
