/** Measures whether the path of the parameters oscillates along a direction. */
import { normal } from '@dm/core';
import type { FlatVector } from '@dm/eval';

/** Scale-free measures of a path along one direction. */
export interface Oscillation {
  /** Autocorrelation of the displacements per step at lag 1. */
  readonly first: number;
  /** The most negative autocorrelation over all lags, and its lag in steps. */
  readonly lowest: number;
  readonly lag: number;
  /** Length of the path / distance between its ends; 1 for a path without reversals, null for one that returns. */
  readonly lengthRatio: number | null;
}

/**
 * The oscillation of `path`, S readings of the parameters [P], along a direction [P] of any length. With
 * d_s = (p_{s+1} - p_s).v, the autocorrelation at lag k is sum_s d_s d_{s+k} / sum_s d_s^2, without subtracting the
 * mean, so that drift counts as correlation. A damped or sustained oscillation of period T has a minimum near lag T / 2.
 * @throws {RangeError} if the path has fewer than lags + 2 readings
 */
export function measureOscillation(path: readonly Float32Array[], direction: FlatVector, lags: number): Oscillation {
  if (path.length < lags + 2) throw new RangeError(`A path of ${path.length} readings is too short for ${lags} lags.`);
  const displacements = path.slice(1).map((params, s) => {
    const before = path[s]!;
    // Subtract before multiplying: a displacement is far smaller than the parameters.
    let sum = 0;
    for (let i = 0; i < direction.length; i++) sum += (params[i]! - before[i]!) * direction[i]!;
    return sum;
  });
  const energy = displacements.reduce((sum, d) => sum + d * d, 0);
  const correlations = Array.from(
    { length: lags },
    (_, k) => displacements.slice(k + 1).reduce((sum, d, s) => sum + d * displacements[s]!, 0) / energy,
  );
  const lowest = Math.min(...correlations);
  const length = displacements.reduce((sum, d) => sum + Math.abs(d), 0);
  const net = Math.abs(displacements.reduce((sum, d) => sum + d, 0));
  return {
    first: rounded(correlations[0]!),
    lowest: rounded(lowest),
    lag: correlations.indexOf(lowest) + 1,
    lengthRatio: net === 0 ? null : rounded(length / net),
  };
}

/** `count` directions [size] with independent standard normal elements, the control for the eigenvectors. */
export function randomDirections(size: number, count: number, seed: number): Float32Array[] {
  // Lane 20 of `probe` is used by nothing else.
  return Array.from({ length: count }, (_, index) => normal({ seed, stream: 'probe', lane: 20, index }, size));
}

const rounded = (value: number): number => Number(value.toPrecision(4));
