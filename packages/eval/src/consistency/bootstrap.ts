import { checkInRange, checkInteger } from '@dm/ops';
import { draws } from '../random.js';

export interface BootstrapOptions {
  /** Seed of the resampling and of the random pairing. Default 0. */
  readonly seed?: number;
  /** Default 1000. */
  readonly resamples?: number;
  /** Confidence level of the intervals, in (0, 1). Default 0.95. */
  readonly confidence?: number;
}

/** A mean with its percentile bootstrap interval. */
export interface Estimate {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/**
 * The mean of `values` and its percentile bootstrap interval (Efron 1979): percentiles of the means of `resamples`
 * resamples with replacement.
 * @throws {RangeError} if resamples < 1, or confidence is outside (0, 1)
 */
export function bootstrapMean(values: Float64Array, options: Required<BootstrapOptions>): Estimate {
  const { seed, resamples, confidence } = options;
  checkInteger('bootstrap: resamples', resamples, 1);
  checkInRange('bootstrap: confidence', confidence, '(0, 1)');
  const count = values.length;
  const means = new Float64Array(resamples);
  for (let k = 0; k < resamples; k++) {
    // Every metric of a report uses the same resamples, so that their intervals can be compared.
    const u = draws('bootstrap', seed, k, count);
    let sum = 0;
    for (let i = 0; i < count; i++) sum += values[Math.floor(u[i]! * count)]!;
    means[k] = sum / count;
  }
  means.sort();
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  return { mean, low: quantile(means, (1 - confidence) / 2), high: quantile(means, (1 + confidence) / 2) };
}

/** Linear interpolation between sorted values, as `numpy.quantile`. */
function quantile(sorted: Float64Array, q: number): number {
  const position = q * (sorted.length - 1);
  const below = Math.floor(position);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  // If both are infinite, low + (high - low) * ... would be NaN.
  return low === high ? low : low + (high - low) * (position - below);
}
