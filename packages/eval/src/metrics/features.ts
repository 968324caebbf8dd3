import { EvalError } from '../errors.js';

/** Feature vectors of N images: [N, dimension], row-major. */
export interface Features {
  readonly values: Float32Array | Float64Array;
  readonly dimension: number;
}

/**
 * Checks features and returns N.
 * @throws {RangeError} if the dimension is not a positive integer
 * @throws {EvalError} if the length is not a multiple of the dimension, N < least, or a value is not finite
 */
export function checkFeatures(name: string, features: Features, least = 2): number {
  const { values, dimension } = features;
  if (!Number.isInteger(dimension) || dimension < 1) {
    throw new RangeError(`${name}: feature dimension ${dimension}; it must be a positive integer.`);
  }
  if (values.length % dimension !== 0) {
    throw new EvalError(
      'SET_INVALID',
      `${name}: ${values.length} numbers are not a multiple of the feature dimension ${dimension}.`,
    );
  }
  const count = values.length / dimension;
  if (count < least) throw new EvalError('SET_TOO_SMALL', `${name}: ${count} images; at least ${least} are needed.`);
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0)
    throw new EvalError(
      'NOT_FINITE',
      `${name}: feature of image ${Math.floor(bad / dimension)} has the value ${values[bad]}.`,
    );
  return count;
}

/** @throws {EvalError} if two sets of features have different dimensions */
export function checkSameDimension(a: { readonly dimension: number }, b: { readonly dimension: number }): void {
  if (a.dimension !== b.dimension) {
    throw new EvalError(
      'EXTRACTOR_MISMATCH',
      `Features of ${a.dimension} and ${b.dimension} dimensions come from different extractors.`,
    );
  }
}

/** Squared Euclidean distance between row i of a and row j of b, in float64. */
export function squaredDistance(a: Features, i: number, b: Features, j: number): number {
  let sum = 0;
  for (let k = 0; k < a.dimension; k++) {
    const difference = a.values[i * a.dimension + k]! - b.values[j * b.dimension + k]!;
    sum += difference * difference;
  }
  return sum;
}

/** Copies the rows at `indices`. */
export function rowsAt({ values, dimension }: Features, indices: Uint32Array): Features {
  const out = new Float64Array(indices.length * dimension);
  indices.forEach((index, n) => out.set(values.subarray(index * dimension, (index + 1) * dimension), n * dimension));
  return { values: out, dimension };
}
