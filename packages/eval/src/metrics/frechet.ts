import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { EvalError } from '../errors.js';
import { checkSameDimension } from './features.js';
import type { FeatureStatistics } from './statistics.js';

export interface FrechetResult {
  readonly distance: number;
  /** Warnings to report with the number. */
  readonly warnings: readonly string[];
}

/** Negative eigenvalues up to this fraction of the largest one are rounding errors of zero. */
const ROUNDING = 1e-6;

/**
 * Squared Fréchet distance of two Gaussians (Dowson and Landau 1982; as FID: Heusel et al. 2017, arXiv:1706.08500):
 * |m1 - m2|^2 + tr(C1) + tr(C2) - 2 tr((C1 C2)^(1/2)).
 *
 * C1 C2 has the same eigenvalues as the symmetric B^T C2 B with C1 = B B^T, B = V L^(1/2), so two symmetric
 * eigendecompositions give the trace, also if a covariance is singular (fewer images than dimensions).
 * @throws {EvalError} if the dimensions differ, or a value is not finite
 */
export function frechetDistance(a: FeatureStatistics, b: FeatureStatistics): FrechetResult {
  return frechetDistanceFrom(a)(b);
}

/**
 * Distances from one set to many: the first of the two eigendecompositions is computed once.
 * @throws {EvalError} if the dimensions differ, or a value is not finite
 */
export function frechetDistanceFrom(a: FeatureStatistics): (b: FeatureStatistics) => FrechetResult {
  checkFinite(a);
  const ofA: string[] = warningsOf(a);
  const factor = squareRootFactor(matrixOf(a), ofA);
  const factorTransposed = factor.transpose();
  return (b) => {
    checkSameDimension(a, b);
    checkFinite(b);
    const { dimension } = a;
    const warnings = [...ofA, ...warningsOf(b)];
    const inner = factorTransposed.mmul(matrixOf(b)).mmul(factor);
    // Symmetric only up to rounding.
    const symmetric = Matrix.add(inner, inner.transpose()).mul(0.5);
    const values = new EigenvalueDecomposition(symmetric, { assumeSymmetric: true }).realEigenvalues;
    const roots = clipped(values, 'the product of the covariances', warnings).map(Math.sqrt);

    let distance = 0;
    for (let i = 0; i < dimension; i++) {
      distance += (a.mean[i]! - b.mean[i]!) ** 2;
      distance += a.covariance[i * dimension + i]! + b.covariance[i * dimension + i]!;
    }
    distance -= 2 * roots.reduce((sum, root) => sum + root, 0);
    if (distance < 0) {
      warnings.push(`The distance is ${distance.toExponential(2)}, a rounding error of zero; 0 is returned.`);
      distance = 0;
    }
    return { distance, warnings };
  };
}

/** Warnings about the statistics of one set. */
function warningsOf({ count, dimension, covariance }: FeatureStatistics): string[] {
  if (covariance.every((value) => value === 0)) {
    return [`The covariance of ${count} images is zero: all their features are equal.`];
  }
  if (count > dimension) return [];
  return [
    `${count} images for ${dimension} feature dimensions: the covariance is singular and the distance is biased upward.`,
  ];
}

/** An eigendecomposition of NaN may not terminate. */
function checkFinite({ mean, covariance }: FeatureStatistics): void {
  if ([mean, covariance].some((values) => values.some((value) => !Number.isFinite(value)))) {
    throw new EvalError('NOT_FINITE', 'The statistics have values that are not finite.');
  }
}

/** B = V L^(1/2) with C = V L V^T. */
function squareRootFactor(covariance: Matrix, warnings: string[]): Matrix {
  const { eigenvectorMatrix, realEigenvalues } = new EigenvalueDecomposition(covariance, { assumeSymmetric: true });
  const roots = clipped(realEigenvalues, 'a covariance', warnings).map(Math.sqrt);
  return eigenvectorMatrix.mulRowVector(roots);
}

function clipped(values: readonly number[], of: string, warnings: string[]): number[] {
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const smallest = values.reduce((least, value) => Math.min(least, value), 0);
  if (smallest < -ROUNDING * largest) {
    warnings.push(
      `An eigenvalue of ${of} is ${smallest.toExponential(2)} (largest ${largest.toExponential(2)}); it is set to 0.`,
    );
  }
  return values.map((value) => Math.max(0, value));
}

function matrixOf({ covariance, dimension }: FeatureStatistics): Matrix {
  return Matrix.from1DArray(dimension, dimension, covariance);
}
