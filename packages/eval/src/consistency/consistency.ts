import { EvalError } from '../errors.js';
import { bootstrapMean, type BootstrapOptions, type Estimate } from './bootstrap.js';
import { pairMetric, type PairMetricName } from './pair-metrics.js';
import { derangement } from '../random.js';
import { sampleRows, type SampleSet } from './sample-set.js';

export interface ConsistencyOptions extends BootstrapOptions {
  /** Shape of one sample, [H, W, C] for images or [D] for features. */
  readonly shape: readonly number[];
  /** Default cosine and MAE. PSNR and SSIM need `dataRange`. */
  readonly metrics?: readonly PairMetricName[];
  /** Difference of the highest and the lowest possible value: 2 for [-1, 1], 255 for bytes. */
  readonly dataRange?: number;
  /** Cosine only: the mean to subtract. 'set' (default): the mean image of both sets; 'image': each image's mean. */
  readonly center?: 'set' | 'image';
  /** Pairs with a cosine above this count as reproduced. Default 0.6. */
  readonly threshold?: number;
}

/** One metric between samples from the same noise, with its two controls. */
export interface MetricReport {
  readonly metric: PairMetricName;
  readonly higherIsCloser: boolean;
  /** Sample n of one model against sample n of the other: the same noise. */
  readonly same: Estimate;
  /** Control: sample n against sample d(n) of the other, d a seeded derangement (d(n) != n). */
  readonly random: Estimate;
  /** Control: sample n against the closest sample of the other model except sample n. */
  readonly nearest: Estimate;
  /** same - random, per image. */
  readonly gap: Estimate;
  /** Fraction of samples n for which sample n of the other model is the closest; 1/N by chance. */
  readonly retrieval: Estimate;
}

export interface PairReport {
  readonly a: string;
  readonly b: string;
  readonly metrics: readonly MetricReport[];
  /** Fraction of samples with a cosine above the threshold; only if the metric cosine was requested. */
  readonly reproducibility?: { readonly same: Estimate; readonly random: Estimate };
}

export interface ConsistencyReport {
  /** N, the number of samples per set. */
  readonly count: number;
  /** Each pair of sets, in order: 0-1, 0-2, ..., 1-2, ... */
  readonly pairs: readonly PairReport[];
  /** Mean over the pairs, per image. Its intervals resample images, not pairs. */
  readonly overall: PairReport;
  readonly settings: {
    readonly shape: readonly number[];
    readonly center: 'set' | 'image';
    readonly threshold: number;
    readonly seed: number;
    readonly resamples: number;
    readonly confidence: number;
  };
}

/** One number per sample. */
interface PairValues {
  readonly metric: PairMetricName;
  readonly higherIsCloser: boolean;
  readonly same: Float64Array;
  readonly random: Float64Array;
  readonly nearest: Float64Array;
  readonly retrieved: Float64Array;
}

const SEED = 0;
const RESAMPLES = 1000;
const CONFIDENCE = 0.95;
/** The threshold of Zhang et al. 2023, arXiv:2310.05264, who apply it to SSCD features. */
const THRESHOLD = 0.6;

/**
 * Similarity of different models' samples from the same noise, for each pair of models, with two controls: a random
 * pairing (more similar than any two samples?) and the nearest other sample (more similar than a look-alike?). Costs
 * N^2 comparisons per pair and metric.
 * @throws {RangeError} if there are fewer than two sets, or an option is invalid
 * @throws {EvalError} if a set has fewer than two samples, sets differ in size, a value is not finite, or (cosine) a
 * sample is constant after the mean is subtracted
 */
export function consistency(sets: readonly SampleSet[], options: ConsistencyOptions): ConsistencyReport {
  const { shape, metrics = ['cosine', 'mae'], center = 'set', threshold = THRESHOLD } = options;
  const { seed = SEED, resamples = RESAMPLES, confidence = CONFIDENCE } = options;
  if (sets.length < 2) throw new RangeError(`consistency: needs at least 2 sets of samples, got ${sets.length}.`);
  const needsRange = metrics.find((name) => name === 'psnr' || name === 'ssim');
  if (needsRange && options.dataRange === undefined) {
    throw new RangeError(`${needsRange} needs dataRange: 2 for pixels in [-1, 1], 255 for bytes.`);
  }
  const rows = sets.map((set) => sampleRows(set, shape));
  const count = rows[0]!.length;
  const odd = rows.findIndex((set) => set.length !== count);
  if (odd >= 0) {
    throw new EvalError(
      'SETS_MISMATCH',
      `${sets[odd]!.name} has ${rows[odd]!.length} samples, ${sets[0]!.name} has ${count}; they must match.`,
    );
  }

  const partner = derangement(seed, count);
  const bootstrap = { seed, resamples, confidence };
  const dataRange = options.dataRange ?? Number.NaN;
  const values: PairValues[][] = [];
  const pairs: PairReport[] = [];
  for (let i = 0; i < sets.length; i++) {
    for (let j = i + 1; j < sets.length; j++) {
      const names = [sets[i]!.name, sets[j]!.name] as const;
      const ofPair = metrics.map((name) =>
        comparePair(name, rows[i]!, rows[j]!, names, partner, { shape, dataRange, center }),
      );
      values.push(ofPair);
      pairs.push(reportPair(names, [ofPair], threshold, bootstrap));
    }
  }
  return {
    count,
    pairs,
    overall: reportPair(['all', 'all'], values, threshold, bootstrap),
    settings: { shape, center, threshold, seed, resamples, confidence },
  };
}

function comparePair(
  name: PairMetricName,
  a: readonly Float64Array[],
  b: readonly Float64Array[],
  names: readonly [string, string],
  partner: Uint32Array,
  options: { shape: readonly number[]; dataRange: number; center: 'set' | 'image' },
): PairValues {
  const { higherIsCloser, comparison } = pairMetric(name, options);
  const compare = comparison(a, b, names);
  const count = a.length;
  const [same, random, nearest, retrieved] = [0, 1, 2, 3].map(() => new Float64Array(count)) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  for (let n = 0; n < count; n++) {
    const toOthers = b.map((_, m) => compare(n, m));
    const others = toOthers.filter((_, m) => m !== n);
    same[n] = toOthers[n]!;
    random[n] = toOthers[partner[n]!]!;
    nearest[n] = others.reduce((best, value) => (higherIsCloser ? Math.max(best, value) : Math.min(best, value)));
    retrieved[n] = Number(higherIsCloser ? same[n]! > nearest[n]! : same[n]! < nearest[n]!);
  }
  return { metric: name, higherIsCloser, same, random, nearest, retrieved };
}

/** Also of PSNRs of equal images, which are infinite. */
const difference = (a: number, b: number): number => (a === b ? 0 : a - b);

/** `pairs` holds one entry per metric for each pair; several pairs are averaged per image. */
function reportPair(
  [a, b]: readonly [string, string],
  pairs: readonly (readonly PairValues[])[],
  threshold: number,
  options: Required<BootstrapOptions>,
): PairReport {
  const estimate = (pick: (values: PairValues) => Float64Array, index: number) =>
    bootstrapMean(average(pairs.map((pair) => pick(pair[index]!))), options);
  const metrics = pairs[0]!.map(({ metric, higherIsCloser }, index): MetricReport => ({
    metric,
    higherIsCloser,
    same: estimate((values) => values.same, index),
    random: estimate((values) => values.random, index),
    nearest: estimate((values) => values.nearest, index),
    gap: estimate((values) => values.same.map((value, n) => difference(value, values.random[n]!)), index),
    retrieval: estimate((values) => values.retrieved, index),
  }));
  const cosine = metrics.findIndex(({ metric }) => metric === 'cosine');
  if (cosine < 0) return { a, b, metrics };
  const above = (values: Float64Array) => values.map((value) => Number(value > threshold));
  return {
    a,
    b,
    metrics,
    reproducibility: {
      same: estimate((values) => above(values.same), cosine),
      random: estimate((values) => above(values.random), cosine),
    },
  };
}

function average(rows: readonly Float64Array[]): Float64Array {
  return rows[0]!.map((_, n) => rows.reduce((sum, row) => sum + row[n]!, 0) / rows.length);
}
