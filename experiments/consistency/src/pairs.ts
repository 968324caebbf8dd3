/** Similarity of the samples of two models from the same noise, and of controls, averaged over groups of pairs. */
import { consistency, type MetricReport, type PairMetricName } from '@dm/eval';
import { confidenceInterval, type ConfidenceInterval, type StageResults } from '@dm/experiments';
import { gaussianArm } from './arms.js';
import type { ConsistencyResult, Samples } from './result.js';
import { decodeBytes, dequantize } from './encoding.js';

type Results = StageResults<ConsistencyResult>;

/** All pairs of models from two arms with different seeds; the Gaussian denoiser has one seed, and pairs with all. */
export interface PairGroup {
  readonly name: string;
  readonly kind: 'diffusion' | 'contrast' | 'untrained' | 'gaussian';
  readonly arms: readonly [string, string];
}

export const groups: readonly PairGroup[] = [
  { name: 'UNet, another seed', kind: 'diffusion', arms: ['unet', 'unet'] },
  { name: 'UNet and one twice as wide', kind: 'diffusion', arms: ['unet', 'wide'] },
  { name: 'UNet and DiT', kind: 'diffusion', arms: ['unet', 'dit'] },
  { name: 'UNet and U-ViT', kind: 'diffusion', arms: ['unet', 'uvit'] },
  { name: 'DiT and U-ViT', kind: 'diffusion', arms: ['dit', 'uvit'] },
  { name: 'UNets that predict epsilon and x0', kind: 'diffusion', arms: ['unet', 'x0'] },
  { name: 'UNets that predict epsilon and v', kind: 'diffusion', arms: ['unet', 'v'] },
  { name: 'UNets of disjoint halves of the data', kind: 'diffusion', arms: ['half-0', 'half-1'] },
  { name: 'Gaussian denoiser and UNet', kind: 'gaussian', arms: [gaussianArm, 'unet'] },
  { name: 'Gaussian denoiser and wide UNet', kind: 'gaussian', arms: [gaussianArm, 'wide'] },
  { name: 'Gaussian denoiser and DiT', kind: 'gaussian', arms: [gaussianArm, 'dit'] },
  { name: 'Gaussian denoiser and U-ViT', kind: 'gaussian', arms: [gaussianArm, 'uvit'] },
  { name: 'Gaussian denoiser and x0 UNet', kind: 'gaussian', arms: [gaussianArm, 'x0'] },
  { name: 'Gaussian denoiser and v UNet', kind: 'gaussian', arms: [gaussianArm, 'v'] },
  { name: 'GAN, another seed', kind: 'contrast', arms: ['gan', 'gan'] },
  { name: 'VAE, another seed', kind: 'contrast', arms: ['vae', 'vae'] },
  { name: 'untrained UNet, another seed', kind: 'untrained', arms: ['untrained-unet', 'untrained-unet'] },
  { name: 'untrained GAN, another seed', kind: 'untrained', arms: ['untrained-gan', 'untrained-gan'] },
];

/**
 * What to compare: pixels of one kind of samples, features of the final samples, or the part of the final samples that is
 * not explained by samples of the Gaussian denoiser (`withoutGaussian`).
 */
export type Space = keyof Samples | 'features' | 'residual';

/** A similarity metric over the pairs of a group: means with 95% confidence intervals over pairs. */
export interface Similarity {
  readonly metric: PairMetricName;
  /** Samples from the same noise. */
  readonly same: ConfidenceInterval;
  /** Control: random pairs of samples. */
  readonly random: ConfidenceInterval;
  /** Control: the nearest sample of the other model, excluding the one from the same noise. */
  readonly nearest: ConfidenceInterval;
  /** Difference between `same` and each control; positive if the same noise is closer, for every metric. */
  readonly overRandom: ConfidenceInterval;
  readonly overNearest: ConfidenceInterval;
  /** Fraction of samples for which the sample from the same noise is the nearest of all. By chance: 1 / samples. */
  readonly retrieved: ConfidenceInterval;
}

/** The finished pairs of a group. */
export function pairsOf({ kind, arms: [a, b] }: PairGroup, results: Results): [ConsistencyResult, ConsistencyResult][] {
  const [ofA, ofB] = [results.get(a) ?? [], results.get(b) ?? []];
  return ofA.flatMap((one) =>
    ofB
      .filter(({ seed }) => kind === 'gaussian' || (a === b ? one.seed < seed : one.seed !== seed))
      .map((other): [ConsistencyResult, ConsistencyResult] => [one, other]),
  );
}

/** Similarities of a group, one per metric. Undefined if no pair is finished, or its models lack these samples. */
export function similarity(
  group: PairGroup,
  results: Results,
  space: Space,
  metrics: readonly PairMetricName[],
): readonly Similarity[] | undefined {
  const [gaussian] = results.get(gaussianArm) ?? [];
  const reports = pairsOf(group, results).flatMap((pair) => {
    const sets = pair.map((one) => samplesOf(one, space, gaussian));
    if (sets[0] === undefined || sets[1] === undefined) return [];
    const shape = space === 'features' ? [pair[0].dimensions] : pair[0].shape;
    const named = sets.map((samples, i) => ({ name: `${pair[i]!.arm}, seed ${pair[i]!.seed}`, samples: samples! }));
    // Intervals are computed over pairs, so skip the expensive resampling over images.
    return [consistency(named, { shape, metrics, dataRange: 255, resamples: 1 }).overall.metrics];
  });
  if (reports.length === 0) return undefined;
  return metrics.map((_, m) => similarityOf(reports.map((report) => report[m]!)));
}

/** What is stored of the comparison of one pair of models by one metric: means over the samples. */
export type PairReport = Pick<MetricReport, 'metric' | 'higherIsCloser'> &
  Readonly<Record<'same' | 'random' | 'nearest' | 'retrieval', { readonly mean: number }>>;

/** The similarity of several pairs by the same metric. */
export function similarityOf(reports: readonly PairReport[]): Similarity {
  const { metric, higherIsCloser } = reports[0]!;
  const of = (pick: (report: PairReport) => number) => confidenceInterval(reports.map(pick));
  const sign = higherIsCloser ? 1 : -1;
  return {
    metric,
    same: of(({ same }) => same.mean),
    random: of(({ random }) => random.mean),
    nearest: of(({ nearest }) => nearest.mean),
    overRandom: of(({ same, random }) => sign * (same.mean - random.mean)),
    overNearest: of(({ same, nearest }) => sign * (same.mean - nearest.mean)),
    retrieved: of(({ retrieval }) => retrieval.mean),
  };
}

/** Compares two sets of samples [N, ...shape] by cosine. */
export function comparePair(
  a: Uint8Array | Float32Array,
  b: Uint8Array | Float32Array,
  shape: readonly number[],
): PairReport {
  const sets = [a, b].map((samples, i) => ({ name: `set ${i}`, samples }));
  const report = consistency(sets, { shape, metrics: ['cosine'], resamples: 1 }).overall.metrics[0]!;
  const { metric, higherIsCloser } = report;
  const mean = (name: 'same' | 'random' | 'nearest' | 'retrieval') => ({
    mean: Number(report[name].mean.toPrecision(6)),
  });
  const [same, random, nearest, retrieval] = (['same', 'random', 'nearest', 'retrieval'] as const).map(mean);
  return { metric, higherIsCloser, same: same!, random: random!, nearest: nearest!, retrieval: retrieval! };
}

function samplesOf(
  { samples, features, shape }: ConsistencyResult,
  space: Space,
  gaussian: ConsistencyResult | undefined,
): Uint8Array | Float32Array | undefined {
  if (space === 'features') return dequantize(features);
  if (space === 'residual') {
    const dimension = shape.reduce((product, side) => product * side, 1);
    return gaussian && withoutGaussian(decodeBytes(samples.final), decodeBytes(gaussian.samples.final), dimension);
  }
  const text = samples[space];
  return text === undefined ? undefined : decodeBytes(text);
}

/**
 * Samples [N, D] minus their projections onto the Gaussian denoiser's samples from the same noise [N, D], both relative to
 * the mean of their set: r = x - (x · g / g · g) g.
 */
export function withoutGaussian(samples: Uint8Array, gaussian: Uint8Array, dimension: number): Float32Array {
  return withoutProjections(samples, [gaussian], dimension);
}

/**
 * Samples [N, D] minus their projections onto the span of the rows of all `controls` [N, D], by Gram-Schmidt; all relative
 * to the mean of their set.
 */
export function withoutProjections(
  samples: Uint8Array,
  controls: readonly (Uint8Array | Float32Array)[],
  dimension: number,
): Float32Array {
  const basis: Float32Array[] = [];
  for (const control of controls) basis.push(without(centered(control, dimension), basis, dimension));
  return without(centered(samples, dimension), basis, dimension);
}

/** Rows minus their projections onto the rows of each of `basis`, in place. */
function without(rows: Float32Array, basis: readonly Float32Array[], dimension: number): Float32Array {
  for (const onto of basis) {
    for (let n = 0; n < rows.length; n += dimension) {
      let [product, square] = [0, 0];
      for (let i = n; i < n + dimension; i++) {
        product += rows[i]! * onto[i]!;
        square += onto[i]! ** 2;
      }
      for (let i = n; i < n + dimension; i++) rows[i]! -= (product / square) * onto[i]!;
    }
  }
  return rows;
}

/** Samples [N, D] minus their mean. */
function centered(samples: Uint8Array | Float32Array, dimension: number): Float32Array {
  const count = samples.length / dimension;
  const mean = new Float64Array(dimension);
  samples.forEach((value, i) => (mean[i % dimension]! += value / count));
  return Float32Array.from(samples, (value, i) => value - mean[i % dimension]!);
}
