import { EvalError } from '../errors.js';
import { checkFeatures, checkSameDimension, type Features } from './features.js';

/** Mean and covariance of features, the input of the Fréchet distance. */
export interface FeatureStatistics {
  readonly count: number;
  readonly dimension: number;
  /** [dimension] */
  readonly mean: Float64Array;
  /** [dimension, dimension], normalized by count - 1 as `numpy.cov`. */
  readonly covariance: Float64Array;
}

export interface StatisticsAccumulator {
  /** Adds a batch of at least one image. */
  add(batch: Features): void;
  /** Adds everything that another accumulator of the same dimension has accumulated; `other` is unchanged. */
  merge(other: StatisticsAccumulator): void;
  /** Number of images added so far. */
  readonly count: number;
  /** The sums so far, for `merge`. */
  sums(): StatisticsSums;
  /** @throws {EvalError} if fewer than two images were added */
  finish(): FeatureStatistics;
}

/** State of an accumulator: sums relative to `origin`, which is undefined until something is added. */
export interface StatisticsSums {
  readonly count: number;
  readonly dimension: number;
  readonly origin: Float64Array | undefined;
  /** [dimension]: sum of x - origin. */
  readonly sum: Float64Array;
  /** [dimension, dimension]: sum of (x - origin)(x - origin)^T; the upper triangle only. */
  readonly products: Float64Array;
}

/**
 * Accumulates mean and covariance in one pass over batches, in float64, without storing the features. Sums are relative
 * to the first batch's mean: relative to zero they would lose precision to cancellation if the mean is large compared
 * with the deviation. `add` and `merge` throw an `EvalError` if the features have another dimension.
 */
export function createStatisticsAccumulator(dimension: number): StatisticsAccumulator {
  const sum = new Float64Array(dimension);
  const products = new Float64Array(dimension * dimension);
  let origin: Float64Array | undefined;
  let count = 0;
  return {
    get count() {
      return count;
    },
    sums: () => ({ count, dimension, origin, sum, products }),
    add(batch) {
      if (batch.dimension !== dimension) {
        throw new EvalError(
          'EXTRACTOR_MISMATCH',
          `A batch of ${batch.dimension}-d features in statistics of ${dimension}-d ones.`,
        );
      }
      const rows = checkFeatures('batch', batch, 1);
      origin ??= columnMeans(batch, rows);
      const row = new Float64Array(dimension);
      for (let n = 0; n < rows; n++) {
        for (let i = 0; i < dimension; i++) row[i] = batch.values[n * dimension + i]! - origin[i]!;
        for (let i = 0; i < dimension; i++) {
          const value = row[i]!;
          sum[i]! += value;
          for (let j = i; j < dimension; j++) products[i * dimension + j]! += value * row[j]!;
        }
      }
      count += rows;
    },
    merge(accumulator) {
      const other = accumulator.sums();
      checkSameDimension({ dimension }, other);
      if (other.origin === undefined) return;
      origin ??= other.origin;
      // Shift the other sums from its origin p to our origin o: with s = p - o, x - o = (x - p) + s.
      const shift = other.origin.map((value, i) => value - origin![i]!);
      for (let i = 0; i < dimension; i++) {
        sum[i]! += other.sum[i]! + other.count * shift[i]!;
        for (let j = i; j < dimension; j++) {
          products[i * dimension + j]! +=
            other.products[i * dimension + j]! +
            other.sum[i]! * shift[j]! +
            shift[i]! * other.sum[j]! +
            other.count * shift[i]! * shift[j]!;
        }
      }
      count += other.count;
    },
    finish() {
      if (!origin || count < 2)
        throw new EvalError('SET_TOO_SMALL', `Statistics of ${count} images; at least 2 are needed.`);
      const first = origin;
      const covariance = new Float64Array(dimension * dimension);
      for (let i = 0; i < dimension; i++) {
        for (let j = i; j < dimension; j++) {
          const value = (products[i * dimension + j]! - (sum[i]! * sum[j]!) / count) / (count - 1);
          covariance[i * dimension + j] = value;
          covariance[j * dimension + i] = value;
        }
      }
      return { count, dimension, mean: sum.map((total, i) => first[i]! + total / count), covariance };
    },
  };
}

/** Mean and covariance of features in memory. */
export function featureStatistics(features: Features): FeatureStatistics {
  const accumulator = createStatisticsAccumulator(features.dimension);
  accumulator.add(features);
  return accumulator.finish();
}

function columnMeans({ values, dimension }: Features, rows: number): Float64Array {
  const mean = new Float64Array(dimension);
  for (let n = 0; n < rows; n++) {
    for (let i = 0; i < dimension; i++) mean[i]! += values[n * dimension + i]! / rows;
  }
  return mean;
}
