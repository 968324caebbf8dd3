import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { EvalError } from '../errors.js';
import { checkFeatures, type Features } from './features.js';

/**
 * Vendi score (Friedman and Dieng 2023, arXiv:2210.02410) with the cosine kernel: exp(-sum_i l_i log l_i), with the
 * eigenvalues l_i of K / N, K_ij = x_i·x_j / (|x_i| |x_j|). The effective number of different images, from 1 to N.
 * Takes time in proportion to the cube of the smaller of N and the dimension.
 * @throws {EvalError} if there are fewer than two images, or the features of one are all zero
 */
export function vendiScore(features: Features): number {
  const { dimension } = features;
  const count = checkFeatures('vendiScore', features);
  const rows = new Matrix(count, dimension);
  for (let n = 0; n < count; n++) {
    const row = features.values.subarray(n * dimension, (n + 1) * dimension);
    let square = 0;
    for (const value of row) square += value ** 2;
    const norm = Math.sqrt(square);
    if (norm === 0) throw new EvalError('SET_INVALID', `vendiScore: the features of image ${n} are all zero.`);
    for (let i = 0; i < dimension; i++) rows.set(n, i, row[i]! / norm);
  }
  // X X^T and X^T X have the same eigenvalues except for zeros, which do not contribute.
  const transposed = rows.transpose();
  const gram = count <= dimension ? rows.mmul(transposed) : transposed.mmul(rows);
  const { realEigenvalues } = new EigenvalueDecomposition(gram.div(count), { assumeSymmetric: true });
  return Math.exp(
    realEigenvalues.reduce((entropy, value) => (value > 0 ? entropy - value * Math.log(value) : entropy), 0),
  );
}
