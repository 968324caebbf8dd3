import { checkFeatures, type Features } from './features.js';

/** Mean and covariance of features: all that the Fréchet distance needs. */
export interface FeatureStatistics {
  readonly count: number;
  readonly dimension: number;
  /** [dimension] */
  readonly mean: Float64Array;
  /** [dimension, dimension], divided by count - 1 as numpy.cov does. */
  readonly covariance: Float64Array;
}

export interface StatisticsAccumulator {
  /** Adds a batch of any size of at least one image. */
  add(batch: Features): void;
  /** Throws an Error where fewer than two images were added. */
  finish(): FeatureStatistics;
}

/**
 * Mean and covariance in one pass over batches, in float64, without holding the features. The sums are taken about the
 * first batch's mean: about zero they would cancel where the mean is large beside the deviation.
 */
export function accumulateStatistics(dimension: number): StatisticsAccumulator {
  const sum = new Float64Array(dimension);
  const products = new Float64Array(dimension * dimension);
  let origin: Float64Array | undefined;
  let count = 0;
  return {
    add(batch) {
      if (batch.dimension !== dimension) {
        throw new Error(`A batch of ${batch.dimension}-d features in statistics of ${dimension}-d ones.`);
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
    finish() {
      if (!origin || count < 2) throw new Error(`Statistics of ${count} images; at least 2 are needed.`);
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

/** Mean and covariance of features that lie in memory. */
export function featureStatistics(features: Features): FeatureStatistics {
  const accumulator = accumulateStatistics(features.dimension);
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
