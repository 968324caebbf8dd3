/** Noise levels of a process within ranges of log-SNR. */
import { logSnrs, permutation, type NoiseLevel } from '@dm/core';
import { stratifiedLogSnrs, type LogSnrBucket } from '@dm/eval';
import { levelOfLogSnr, timestepLevels, type NoiseProcess } from '../../setup/noise-process.js';

/**
 * `count` noise levels spread evenly over a bucket, in a random order that is the same for every model. On a discrete
 * schedule, each is the nearest timestep in the bucket; undefined if there is none.
 */
export function bucketLevels(
  process: NoiseProcess,
  bucket: LogSnrBucket,
  count: number,
  key: { readonly seed: number; readonly index: number },
): NoiseLevel[] | undefined {
  const even = stratifiedLogSnrs(bucket, count);
  // Data sets are often sorted by class: the random order decorrelates noise levels and classes.
  const order = permutation({ seed: key.seed, stream: 'evaluation', lane: 2, step: key.index }, count);
  const ratios = Array.from(order, (i) => even[i]!);
  if (process.continuous !== undefined) return ratios.map((ratio) => levelOfLogSnr(process, ratio));
  const all = [...logSnrs(process.noiseSchedule)].map((ratio, t) => ({ ratio, t }));
  const inside = all.filter(({ ratio }) => ratio >= bucket.from && ratio < bucket.to);
  if (inside.length === 0) return undefined;
  const nearest = (ratio: number) =>
    inside.reduce((best, one) => (Math.abs(one.ratio - ratio) < Math.abs(best.ratio - ratio) ? one : best)).t;
  return timestepLevels(process, ratios.map(nearest));
}

/** ln(alpha^2 / sigma^2). */
export function logSnrOf({ alpha, sigma }: NoiseLevel): number {
  return 2 * Math.log(alpha / sigma);
}
