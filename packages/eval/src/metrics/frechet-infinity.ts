import { checkInteger } from '@dm/ops';
import { checkFeatures, rowsAt, type Features } from './features.js';
import { frechetDistanceFrom } from './frechet.js';
import { randomSubset } from '../random.js';
import { featureStatistics, type FeatureStatistics } from './statistics.js';

export interface FrechetInfinityOptions {
  /** Number of subset sizes, evenly spaced from `smallest` to all images. Default 15, as in the paper. */
  readonly points?: number;
  /** Images in the smallest subset. Default 5000, as in the paper, or half of the images if that is less. */
  readonly smallest?: number;
  /** Seed of the order in which images are drawn. Default 0. */
  readonly seed?: number;
}

export interface FrechetInfinityResult {
  /** The distance extrapolated to infinitely many generated images; may be negative due to noise. */
  readonly distance: number;
  /** Slope of the line: a distance from N images has a bias of about slope / N. */
  readonly slope: number;
  readonly points: readonly { readonly count: number; readonly distance: number }[];
  readonly warnings: readonly string[];
}

/**
 * FID_infinity, Chong and Forsyth 2020, arXiv:1911.07023. The Fréchet distance has a bias of order 1/N in the number of
 * generated images, so it is computed for subsets of several sizes, and the line d = d_inf + slope / N, fitted by least
 * squares, is extrapolated to 1/N = 0. The bias from the finite number of reference images remains. Each point costs an
 * eigendecomposition. With fewer images than dimensions the distance is not linear in 1/N, which gives a warning.
 * @throws {RangeError} if points < 2, or smallest is not an integer in [2, N)
 * @throws {EvalError} if the dimensions differ
 */
export function frechetInfinity(
  reference: FeatureStatistics,
  generated: Features,
  options: FrechetInfinityOptions = {},
): FrechetInfinityResult {
  const { points = 15, seed = 0 } = options;
  const total = checkFeatures('generated', generated);
  const { smallest = Math.max(2, Math.min(5000, Math.floor(total / 2))) } = options;
  checkInteger('frechetInfinity: points', points, 2);
  checkInteger('frechetInfinity: smallest', smallest, 2, total - 1);
  const warnings = new Set<string>();
  if (smallest <= generated.dimension) {
    warnings.add(
      `The smallest subset has ${smallest} images for ${generated.dimension} feature dimensions: the distance is not ` +
        'linear in 1/N there, so the extrapolation is unreliable.',
    );
  }
  const counts = Array.from({ length: points }, (_, k) =>
    Math.floor(smallest + ((total - smallest) * k) / (points - 1)),
  );
  const distanceTo = frechetDistanceFrom(reference);
  const measured = [...new Set(counts)].map((count, k) => {
    const subset = rowsAt(generated, randomSubset(seed, k, total, count));
    const { distance, warnings: more } = distanceTo(featureStatistics(subset));
    // Warnings of smaller subsets are covered by the one above.
    if (count === total) for (const warning of more) warnings.add(warning);
    return { count, distance };
  });
  const { intercept, slope } = lineThrough(
    measured.map(({ count }) => 1 / count),
    measured.map(({ distance }) => distance),
  );
  return { distance: intercept, slope, points: measured, warnings: [...warnings] };
}

/** Fits a line by least squares. */
export function lineThrough(x: readonly number[], y: readonly number[]): { intercept: number; slope: number } {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [mx, my] = [mean(x), mean(y)];
  const slope =
    x.reduce((sum, value, i) => sum + (value - mx) * (y[i]! - my), 0) / x.reduce((sum, v) => sum + (v - mx) ** 2, 0);
  return { intercept: my - slope * mx, slope };
}
