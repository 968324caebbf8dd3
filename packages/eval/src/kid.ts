import { checkFeatures, checkSameDimension, rowsAt, type Features } from './features.js';
import { choose } from './random.js';

export interface KidOptions {
  /** Number of random subsets. Default 100. */
  readonly subsets?: number;
  /** Images a subset, from each side, without repetition. Default the smaller of 1000 and what there is. */
  readonly subsetSize?: number;
  /** Default 0. */
  readonly seed?: number;
}

/**
 * Kernel inception distance, Bińkowski et al. 2018, arXiv:1801.01401: the unbiased squared MMD with the kernel
 * (x.y / d + 1)^3, mean and standard deviation over random subsets. May be slightly negative. Throws an Error on sets
 * of different dimensions, and on more images a subset than the smaller set has.
 */
export function kernelDistance(
  real: Features,
  generated: Features,
  options: KidOptions = {},
): { readonly mean: number; readonly std: number; readonly subsets: number; readonly subsetSize: number } {
  const { subsets = 100, seed = 0 } = options;
  checkSameDimension(real, generated);
  const counts = [checkFeatures('real', real), checkFeatures('generated', generated)] as const;
  const available = Math.min(...counts);
  const { subsetSize = Math.min(1000, available) } = options;
  if (!Number.isInteger(subsetSize) || subsetSize < 2 || subsetSize > available) {
    throw new Error(`subsetSize is ${subsetSize}; it must be an integer from 2 to ${available}, the smaller set.`);
  }
  if (!Number.isInteger(subsets) || subsets < 1) throw new Error(`subsets is ${subsets}; it must be at least 1.`);

  const values = Float64Array.from({ length: subsets }, (_, k) =>
    unbiasedMmd2(
      rowsAt(real, choose(seed, 2 * k, counts[0], subsetSize)),
      rowsAt(generated, choose(seed, 2 * k + 1, counts[1], subsetSize)),
    ),
  );
  const mean = values.reduce((sum, value) => sum + value, 0) / subsets;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / subsets;
  return { mean, std: Math.sqrt(variance), subsets, subsetSize };
}

/**
 * Unbiased estimate of the squared maximum mean discrepancy, Gretton et al. 2012, Eq. 3:
 * sum_{i!=j} k(x_i, x_j) / (m (m-1)) + sum_{i!=j} k(y_i, y_j) / (n (n-1)) - 2 sum_{i,j} k(x_i, y_j) / (m n). Throws an
 * Error on sets of different dimensions and on fewer than two images.
 */
export function unbiasedMmd2(x: Features, y: Features): number {
  checkSameDimension(x, y);
  const m = checkFeatures('x', x);
  const n = checkFeatures('y', y);
  let across = 0;
  for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) across += kernel(x, i, y, j);
  return meanWithin(x, m) + meanWithin(y, n) - (2 * across) / (m * n);
}

function meanWithin(features: Features, count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) for (let j = i + 1; j < count; j++) sum += kernel(features, i, features, j);
  return (2 * sum) / (count * (count - 1));
}

function kernel(a: Features, i: number, b: Features, j: number): number {
  const { dimension } = a;
  let dot = 0;
  for (let k = 0; k < dimension; k++) dot += a.values[i * dimension + k]! * b.values[j * dimension + k]!;
  return (dot / dimension + 1) ** 3;
}
