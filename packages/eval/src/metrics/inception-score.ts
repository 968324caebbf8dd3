import { checkInteger } from '@dm/ops';
import { checkFeatures, type Features } from './features.js';

export interface InceptionScoreOptions {
  /** Number of consecutive parts into which the images are split. Default 10, as in the paper. */
  readonly splits?: number;
}

/**
 * Inception score, Salimans et al. 2016, arXiv:1606.03498: exp(mean_x KL(p(y|x) || p(y))), from classifier logits [N,
 * classes]; mean and standard deviation over the splits. In [1, number of classes]. Comparable only with scores from
 * the same classifier.
 * @throws {RangeError} if splits is not an integer in [1, N]
 */
export function inceptionScore(
  logits: Features,
  options: InceptionScoreOptions = {},
): { readonly mean: number; readonly std: number; readonly splits: number } {
  const { splits = 10 } = options;
  const count = checkFeatures('logits', logits);
  checkInteger('inceptionScore: splits', splits, 1, count);
  const logProbabilities = Array.from({ length: count }, (_, n) => logSoftmax(logits, n));
  const scores = Array.from({ length: splits }, (_, k) =>
    scoreOf(logProbabilities.slice(Math.floor((k * count) / splits), Math.floor(((k + 1) * count) / splits))),
  );
  const mean = scores.reduce((sum, score) => sum + score, 0) / splits;
  const variance = scores.reduce((sum, score) => sum + (score - mean) ** 2, 0) / splits;
  return { mean, std: Math.sqrt(variance), splits };
}

function scoreOf(rows: readonly Float64Array[]): number {
  const marginal = new Float64Array(rows[0]!.length);
  for (const row of rows) row.forEach((value, c) => (marginal[c]! += Math.exp(value) / rows.length));
  let divergence = 0;
  for (const row of rows) {
    row.forEach((value, c) => {
      const p = Math.exp(value);
      // p log p is 0 at p = 0, also if p underflowed.
      if (p > 0) divergence += (p * (value - Math.log(marginal[c]!))) / rows.length;
    });
  }
  return Math.exp(divergence);
}

function logSoftmax({ values, dimension }: Features, n: number): Float64Array {
  const row = Float64Array.from(values.subarray(n * dimension, (n + 1) * dimension));
  const largest = row.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
  const log = largest + Math.log(row.reduce((sum, value) => sum + Math.exp(value - largest), 0));
  return row.map((value) => value - log);
}
