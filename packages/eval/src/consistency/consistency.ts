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
  /** Highest minus lowest possible value: 2 for [-1, 1], 255 for bytes. */
  readonly dataRange?: number;
  /** Cosine only: which mean is removed. 'set' (default): the mean image of both sets; 'image': each image's own. */
  readonly center?: 'set' | 'image';
  /** A pair with a cosine above it counts as reproduced. Default 0.6. */
  readonly threshold?: number;
}

/** One metric between samples of the same noise, and what it would be by chance. */
export interface MetricReport {
  readonly metric: PairMetricName;
  readonly higherIsCloser: boolean;
  /** Sample n of one model with sample n of the other: the same noise. */
  readonly same: Estimate;
  /** Control: sample n with sample d(n) of the other, d a seeded permutation that leaves no n in place. */
  readonly random: Estimate;
  /** Control: sample n with the closest of the other's samples that are *not* its own. */
  readonly nearest: Estimate;
  /** same - random, by image. */
  readonly gap: Estimate;
  /** Share of samples whose own partner is closer than every other sample of the other model; chance is 1/N. */
  readonly retrieval: Estimate;
}

export interface PairReport {
  readonly a: string;
  readonly b: string;
  readonly metrics: readonly MetricReport[];
  /** Share of samples with a cosine above the threshold; present where the cosine was asked for. */
  readonly reproducibility?: { readonly same: Estimate; readonly random: Estimate };
}

export interface ConsistencyReport {
  /** N, the samples a set. */
  readonly count: number;
  /** Each pair of sets, in order: 0-1, 0-2, ..., 1-2, ... */
  readonly pairs: readonly PairReport[];
  /** The mean over the pairs, image by image; images, not pairs, are resampled for its intervals. */
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

/** What the reports are made of: one number a sample. */
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
/** Zhang et al. 2023, arXiv:2310.05264, who take it in the feature space of SSCD. */
const THRESHOLD = 0.6;

/**
 * How alike different models' samples from the same noise are, pair by pair, beside two controls: a random pairing (is
 * it more than any two samples share?) and the nearest other sample (more than a look-alike?). The cost of a pair is
 * N^2 comparisons for each metric.
 * @throws {RangeError} on fewer than two sets, an EvalError on fewer than two samples, on sets of different size, on
 *   values that are not finite, and, for the cosine, on a sample that is constant once the mean is removed
 */
export function consistency(sets: readonly SampleSet[], options: ConsistencyOptions): ConsistencyReport {
  const { shape, metrics = ['cosine', 'mae'], center = 'set', threshold = THRESHOLD } = options;
  const { seed = SEED, resamples = RESAMPLES, confidence = CONFIDENCE } = options;
  if (sets.length < 2) throw new RangeError(`Consistency compares at least 2 sets of samples; ${sets.length} given.`);
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
  const { higherIsCloser, prepare, measure } = pairMetric(name, options);
  const prepared = prepare(a, b, names);
  const count = a.length;
  const [same, random, nearest, retrieved] = [0, 1, 2, 3].map(() => new Float64Array(count)) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  for (let n = 0; n < count; n++) {
    const toOthers = prepared.b.map((other) => measure(prepared.a[n]!, other));
    const others = toOthers.filter((_, m) => m !== n);
    same[n] = toOthers[n]!;
    random[n] = toOthers[partner[n]!]!;
    nearest[n] = others.reduce((best, value) => (higherIsCloser ? Math.max(best, value) : Math.min(best, value)));
    retrieved[n] = Number(higherIsCloser ? same[n]! > nearest[n]! : same[n]! < nearest[n]!);
  }
  return { metric: name, higherIsCloser, same, random, nearest, retrieved };
}

/** `pairs` holds, for each pair, one entry a metric; more than one pair is averaged image by image. */
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
    gap: estimate((values) => values.same.map((value, n) => value - values.random[n]!), index),
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
