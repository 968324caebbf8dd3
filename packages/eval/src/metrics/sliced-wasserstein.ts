import { checkInteger } from '@dm/ops';
import { normals } from '../random.js';
import { checkFeatures, checkSameDimension, type Features } from './features.js';

export interface SlicedWassersteinOptions {
  /** Number of random directions. Default 1000. */
  readonly directions?: number;
  /** Seed of the directions. Default 0. */
  readonly seed?: number;
}

/**
 * Squared sliced 2-Wasserstein distance: the mean over random unit directions u of W_2(u·x, u·y)^2, in which a
 * one-dimensional W_2 compares sorted values. MIND (Berthet et al. 2026, arXiv:2605.06797) is this distance of Inception
 * features. It needs no covariance, so fewer images than the Fréchet distance. The number of directions is our choice, and
 * values have not been compared with published ones.
 * @throws {RangeError} if directions < 1
 * @throws {EvalError} if the dimensions differ, or a set has fewer than two images
 */
export function slicedWasserstein(x: Features, y: Features, options: SlicedWassersteinOptions = {}): number {
  const { directions = 1000, seed = 0 } = options;
  checkInteger('slicedWasserstein: directions', directions, 1);
  checkSameDimension(x, y);
  checkFeatures('x', x);
  checkFeatures('y', y);
  let sum = 0;
  for (let k = 0; k < directions; k++) sum += wasserstein2Along(x, y, normals('slice', seed, k, x.dimension));
  return sum / directions;
}

/** Squared W_2 of the components of x and y along a direction of any length. */
export function wasserstein2Along(x: Features, y: Features, direction: ArrayLike<number>): number {
  let square = 0;
  for (let i = 0; i < direction.length; i++) square += direction[i]! ** 2;
  return wasserstein2(projected(x, direction), projected(y, direction)) / square;
}

/** x·u of each row, sorted. */
function projected({ values, dimension }: Features, direction: ArrayLike<number>): Float64Array {
  const products = new Float64Array(values.length / dimension);
  for (let n = 0; n < products.length; n++) {
    let sum = 0;
    for (let i = 0; i < dimension; i++) sum += values[n * dimension + i]! * direction[i]!;
    products[n] = sum;
  }
  return products.toSorted();
}

/** Squared W_2 of two sorted samples: the integral over q in [0, 1] of the squared difference of their quantiles. */
function wasserstein2(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  // The quantile functions are constant between multiples of 1/a.length and of 1/b.length; count in their product.
  for (let i = 0, j = 0, from = 0; i < a.length && j < b.length;) {
    const [endA, endB] = [(i + 1) * b.length, (j + 1) * a.length];
    const end = Math.min(endA, endB);
    sum += (end - from) * (a[i]! - b[j]!) ** 2;
    from = end;
    if (end === endA) i++;
    if (end === endB) j++;
  }
  return sum / (a.length * b.length);
}
