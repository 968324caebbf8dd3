/** Similarity of the samples of two models from the same noise, and of controls, averaged over groups of pairs. */
import { consistency, type MetricReport, type PairMetricName } from '@dm/eval';
import { confidenceInterval, type ConfidenceInterval, type StageResults } from '@dm/experiments';
import type { ConsistencyResult, Samples } from './run-trial.js';
import { decodeBytes, dequantize } from './encoding.js';

type Results = StageResults<ConsistencyResult>;

/** All pairs of models from two arms with different seeds. */
export interface PairGroup {
  readonly name: string;
  readonly kind: 'diffusion' | 'contrast' | 'untrained';
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
  { name: 'GAN, another seed', kind: 'contrast', arms: ['gan', 'gan'] },
  { name: 'VAE, another seed', kind: 'contrast', arms: ['vae', 'vae'] },
  { name: 'untrained UNet, another seed', kind: 'untrained', arms: ['untrained-unet', 'untrained-unet'] },
  { name: 'untrained GAN, another seed', kind: 'untrained', arms: ['untrained-gan', 'untrained-gan'] },
];

/** What to compare: pixels of one kind of samples, or features of the final samples. */
export type Space = keyof Samples | 'features';

/** A similarity metric over the pairs of a group: means with 95 % confidence intervals over pairs. */
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
export function pairsOf({ arms: [a, b] }: PairGroup, results: Results): [ConsistencyResult, ConsistencyResult][] {
  const [ofA, ofB] = [results.get(a) ?? [], results.get(b) ?? []];
  return ofA.flatMap((one) =>
    ofB
      .filter(({ seed }) => (a === b ? one.seed < seed : one.seed !== seed))
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
  const reports = pairsOf(group, results).flatMap((pair) => {
    const sets = pair.map((one) => samplesOf(one, space));
    if (sets[0] === undefined || sets[1] === undefined) return [];
    const shape = space === 'features' ? [pair[0].dimensions] : pair[0].shape;
    const named = sets.map((samples, i) => ({ name: `${pair[i]!.arm}, seed ${pair[i]!.seed}`, samples: samples! }));
    // Intervals are computed over pairs, so skip the expensive resampling over images.
    return [consistency(named, { shape, metrics, dataRange: 255, resamples: 1 }).overall.metrics];
  });
  if (reports.length === 0) return undefined;
  return metrics.map((metric, m) => {
    const of = (pick: (report: MetricReport) => number) =>
      confidenceInterval(reports.map((report) => pick(report[m]!)));
    const sign = reports[0]![m]!.higherIsCloser ? 1 : -1;
    return {
      metric,
      same: of(({ same }) => same.mean),
      random: of(({ random }) => random.mean),
      nearest: of(({ nearest }) => nearest.mean),
      overRandom: of(({ same, random }) => sign * (same.mean - random.mean)),
      overNearest: of(({ same, nearest }) => sign * (same.mean - nearest.mean)),
      retrieved: of(({ retrieval }) => retrieval.mean),
    };
  });
}

function samplesOf({ samples, features }: ConsistencyResult, space: Space): Uint8Array | Float32Array | undefined {
  if (space === 'features') return dequantize(features);
  const text = samples[space];
  return text === undefined ? undefined : decodeBytes(text);
}
