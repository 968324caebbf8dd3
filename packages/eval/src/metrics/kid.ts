import { checkInteger } from '@dm/ops';
import { checkFeatures, checkSameDimension, type Features } from './features.js';
import { randomSubset } from '../random.js';

export interface KidOptions {
  /** Number of random subsets. Default 100. */
  readonly subsets?: number;
  /** Images per subset from each set, without replacement. Default: 1000, or the size of the smaller set if less. */
  readonly subsetSize?: number;
  /** Seed of the subsets. Default 0. */
  readonly seed?: number;
}

/**
 * Kernel inception distance, Bińkowski et al. 2018, arXiv:1801.01401: the unbiased squared MMD with the kernel (x.y / d
 * + 1)^3, mean and standard deviation over random subsets. May be slightly negative.
 * @throws {RangeError} if subsets < 1, or subsetSize is not in [2, size of the smaller set]
 * @throws {EvalError} if the dimensions differ
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
  checkInteger('kernelDistance: subsetSize', subsetSize, 2, available);
  checkInteger('kernelDistance: subsets', subsets, 1);

  const chosen = (side: 0 | 1): Uint32Array[] =>
    Array.from({ length: subsets }, (_, k) => randomSubset(seed, 2 * k + side, counts[side], subsetSize).toSorted());
  const values = subsetMmd2(real, chosen(0), generated, chosen(1));
  const mean = values.reduce((sum, value) => sum + value, 0) / subsets;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / subsets;
  return { mean, std: Math.sqrt(variance), subsets, subsetSize };
}

/**
 * Unbiased estimate of the squared maximum mean discrepancy, Gretton et al. 2012, Eq. 3: sum_{i!=j} k(x_i, x_j) / (m
 * (m-1)) + sum_{i!=j} k(y_i, y_j) / (n (n-1)) - 2 sum_{i,j} k(x_i, y_j) / (m n).
 * @throws {EvalError} if the dimensions differ, or a set has fewer than two images
 */
export function unbiasedMmd2(x: Features, y: Features): number {
  checkSameDimension(x, y);
  const m = checkFeatures('x', x);
  const n = checkFeatures('y', y);
  return subsetMmd2(x, [indices(m)], y, [indices(n)])[0]!;
}

/** `unbiasedMmd2` for each pair of subsets s, given by the distinct indices inX[s] and inY[s]. */
function subsetMmd2(x: Features, inX: readonly Uint32Array[], y: Features, inY: readonly Uint32Array[]): Float64Array {
  const [withinX, withinY, across] = [
    kernelSums(x, inX, x, inX),
    kernelSums(y, inY, y, inY),
    kernelSums(x, inX, y, inY),
  ];
  return Float64Array.from(inX, ({ length: m }, s) => {
    const { length: n } = inY[s]!;
    return (2 * withinX[s]!) / (m * (m - 1)) + (2 * withinY[s]!) / (n * (n - 1)) - (2 * across[s]!) / (m * n);
  });
}

/**
 * For each s, the sum of k(a_i, b_j) over i in inA[s] and j in inB[s]; if both lists are the same, over i < j only.
 * Subsets overlap and evaluating the kernel dominates the cost, so each value is computed once for all subsets with
 * that pair.
 */
function kernelSums(a: Features, inA: readonly Uint32Array[], b: Features, inB: readonly Uint32Array[]): Float64Array {
  const sums = new Float64Array(inA.length);
  const holders = Array.from({ length: a.values.length / a.dimension }, (): number[] => []);
  inA.forEach((members, s) => members.forEach((i) => holders[i]!.push(s)));
  const row = new Float64Array(b.values.length / b.dimension); // k(a_i, b_j) for those j with rowOf[j] = i
  const rowOf = new Int32Array(row.length).fill(-1);
  holders.forEach((subsets, i) => {
    for (const s of subsets) {
      for (const j of inB[s]!) {
        if (inA === inB && j <= i) continue;
        if (rowOf[j] !== i) {
          row[j] = kernel(a, i, b, j);
          rowOf[j] = i;
        }
        sums[s]! += row[j]!;
      }
    }
  });
  return sums;
}

function indices(count: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, i) => i);
}

function kernel(a: Features, i: number, b: Features, j: number): number {
  const { dimension } = a;
  let dot = 0;
  for (let k = 0; k < dimension; k++) dot += a.values[i * dimension + k]! * b.values[j * dimension + k]!;
  return (dot / dimension + 1) ** 3;
}
