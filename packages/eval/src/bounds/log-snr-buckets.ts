import { checkInteger, checkNumber } from '@dm/ops';

/** A range of noise levels: log-SNR ln(alpha^2 / sigma^2) in [from, to). */
export interface LogSnrBucket {
  readonly from: number;
  readonly to: number;
}

/** The range of log-SNR in which a denoiser of images has something to learn; noisier, a linear filter is as good. */
export const validationRange = { from: -5, to: 7 } as const satisfies LogSnrBucket;

/**
 * `count` ranges of equal width over a range of log-SNR, from noisy to clean.
 * @throws {RangeError} if `count` is not an integer >= 1, or the range is empty
 */
export function logSnrBuckets(count = 10, { from, to }: LogSnrBucket = validationRange): LogSnrBucket[] {
  checkInteger('number of noise buckets', count, 1);
  checkNumber('end of the range of log-SNR', to, `more than ${from}`, (v) => v > from);
  const edge = (k: number): number => from + ((to - from) * k) / count;
  return Array.from({ length: count }, (_, k) => ({ from: edge(k), to: edge(k + 1) }));
}

/** `count` evenly spaced values of log-SNR in a bucket: the midpoints of equal parts. */
export function stratifiedLogSnrs({ from, to }: LogSnrBucket, count: number): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => from + ((i + 0.5) * (to - from)) / count);
}

/**
 * The geometric mean of losses. Unlike their mean, it weighs every noise level equally, and it does not depend on the
 * quantity whose error is measured. NaN if one is negative or there are none.
 */
export function geometricMean(losses: readonly number[]): number {
  return Math.exp(losses.reduce((sum, loss) => sum + Math.log(loss), 0) / losses.length);
}
