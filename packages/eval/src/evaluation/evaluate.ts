import { checkChoice } from '@dm/ops';
import { EvalError } from '../errors.js';
import { checkSameExtractor, type ImageFeatures } from './extract-features.js';
import type { ExtractorIdentity, FeatureExtractor } from '../extractors/feature-extractor.js';
import { checkImages } from '../extractors/network-extractor.js';
import { frechetInfinity } from '../metrics/frechet-infinity.js';
import { frechetDistance } from '../metrics/frechet.js';
import { inceptionScore } from '../metrics/inception-score.js';
import { kernelDistance } from '../metrics/kid.js';
import { densityCoverage, precisionRecall } from '../metrics/manifold.js';
import { memorizedShare } from '../metrics/memorization.js';
import { slicedWasserstein } from '../metrics/sliced-wasserstein.js';
import { vendiScore } from '../metrics/vendi.js';
import type { ImageSource } from '../sources/image-source.js';

/** A metric's value. */
export interface MetricValue {
  /** Name of the number, such as `FD-mobilenet`; `FID` and `KID` only if it is comparable with published ones. */
  readonly label: string;
  readonly value: number;
  /** Standard deviation over subsets (KID) or splits (IS). */
  readonly std?: number;
  readonly better: 'lower' | 'higher';
  /** Parameters of the estimate, such as the number of KID subsets. */
  readonly detail?: Readonly<Record<string, number>>;
}

export interface SetSummary {
  readonly name: string;
  /** Number of images used. */
  readonly count: number;
  readonly shape: readonly [number, number, number];
  readonly sha256?: string;
}

export interface Evaluation {
  readonly generated: SetSummary;
  readonly reference: SetSummary;
  readonly extractor: ExtractorIdentity;
  /** A sentence that states whether the numbers may be compared with published FIDs. */
  readonly comparable: string;
  readonly results: readonly MetricValue[];
  readonly warnings: readonly string[];
}

export interface EvaluateOptions {
  /** Default `fid` and `kid`. */
  readonly metrics?: readonly MetricName[];
  /** Seed of random subsets. Default 0. */
  readonly seed?: number;
}

/** Default KID subset size, as in `kernelDistance`. */
const LARGEST_SUBSET = 1000;

interface Metric {
  /** For help texts. */
  readonly description: string;
  /** Features needed in addition to statistics, of the generated and the reference images. */
  readonly generated?: 'features' | 'logits' | 'spatial';
  readonly reference?: 'features' | 'spatial';
  measure(
    generated: ImageFeatures,
    reference: ImageFeatures,
    seed: number,
  ): { readonly results: readonly MetricValue[]; readonly warnings?: readonly string[] };
}

const METRICS = {
  fid: {
    description: 'Fréchet distance',
    measure(generated, reference) {
      const { distance, warnings } = frechetDistance(reference.statistics, generated.statistics);
      return { results: [{ label: frechetLabel(generated.extractor), value: distance, better: 'lower' }], warnings };
    },
  },
  'fid-infinity': {
    description: 'Fréchet distance extrapolated to infinitely many images',
    generated: 'features',
    measure(generated, reference, seed) {
      const { distance, slope, points, warnings } = frechetInfinity(reference.statistics, generated.features!, {
        seed,
      });
      const detail = { slope, points: points.length, smallest: points[0]!.count };
      const label = `${frechetLabel(generated.extractor)}-infinity`;
      return { results: [{ label, value: distance, better: 'lower', detail }], warnings };
    },
  },
  sfid: {
    description: 'Fréchet distance of spatial features',
    generated: 'spatial',
    reference: 'spatial',
    measure(generated, reference) {
      const { distance, warnings } = frechetDistance(reference.spatial!, generated.spatial!);
      return {
        results: [{ label: `s${frechetLabel(generated.extractor)}`, value: distance, better: 'lower' }],
        warnings,
      };
    },
  },
  kid: {
    description: 'kernel distance, unbiased, over subsets',
    generated: 'features',
    reference: 'features',
    measure(generated, reference, seed) {
      // If a subset holds all images of both sets, all subsets are equal: one is enough, with no deviation.
      const isWhole = generated.count === reference.count && generated.count <= LARGEST_SUBSET;
      const options = { seed, ...(isWhole && { subsets: 1 }) };
      const { mean, std, ...detail } = kernelDistance(reference.features!, generated.features!, options);
      const label = kernelLabel(generated.extractor);
      const warnings =
        mean < 0 ? [`${label} is ${mean.toExponential(2)}: an unbiased estimate near 0 may be negative.`] : [];
      return { results: [{ label, value: mean, ...(!isWhole && { std }), better: 'lower', detail }], warnings };
    },
  },
  is: {
    description: 'inception score of the generated images',
    generated: 'logits',
    measure(generated) {
      const splits = Math.min(10, generated.count);
      const { mean, std } = inceptionScore(generated.logits!, { splits });
      const { comparable, name } = generated.extractor;
      const label = comparable ? 'IS' : `IS-${name}`;
      return { results: [{ label, value: mean, std, better: 'higher', detail: { splits } }] };
    },
  },
  pr: {
    description: 'precision and recall',
    generated: 'features',
    reference: 'features',
    measure(generated, reference) {
      const { precision, recall } = precisionRecall(reference.features!, generated.features!);
      return { results: [higher('precision', precision), higher('recall', recall)] };
    },
  },
  dc: {
    description: 'density and coverage',
    generated: 'features',
    reference: 'features',
    measure(generated, reference) {
      const { density, coverage } = densityCoverage(reference.features!, generated.features!);
      return { results: [higher('density', density), higher('coverage', coverage)] };
    },
  },
  mind: {
    description: 'squared sliced 2-Wasserstein distance (as MIND)',
    generated: 'features',
    reference: 'features',
    measure(generated, reference, seed) {
      const value = slicedWasserstein(reference.features!, generated.features!, { seed });
      return { results: [{ label: `SW2-${generated.extractor.name}`, value, better: 'lower' }] };
    },
  },
  vendi: {
    description: 'Vendi score of the generated images: the effective number of different ones',
    generated: 'features',
    measure(generated) {
      return { results: [higher(`Vendi-${generated.extractor.name}`, vendiScore(generated.features!))] };
    },
  },
  memorization: {
    description: 'fraction of generated images that are copies of reference images, which must be the training images',
    generated: 'features',
    reference: 'features',
    measure(generated, reference) {
      const value = memorizedShare(reference.features!, generated.features!);
      return { results: [{ label: 'memorized', value, better: 'lower' }] };
    },
  },
} as const satisfies Readonly<Record<string, Metric>>;

export type MetricName = keyof typeof METRICS;

export const metricNames = Object.keys(METRICS) as MetricName[];

/** Description of each metric. */
export const metricDescriptions: Readonly<Record<MetricName, string>> = Object.fromEntries(
  metricNames.map((name) => [name, METRICS[name].description]),
) as Record<MetricName, string>;

function metricOf(name: MetricName): Metric {
  checkChoice('metric', name, metricNames);
  return METRICS[name];
}

/**
 * The `extractFeatures` options that these metrics need for both sets.
 * @throws {RangeError} if a metric is unknown
 */
export function requiredFeatures(metrics: readonly MetricName[]): {
  readonly generated: { readonly keepFeatures: boolean; readonly keepLogits: boolean };
  readonly reference: { readonly keepFeatures: boolean };
} {
  const asked = metrics.map(metricOf);
  return {
    generated: {
      keepFeatures: asked.some((metric) => metric.generated === 'features'),
      keepLogits: asked.some((metric) => metric.generated === 'logits'),
    },
    reference: { keepFeatures: asked.some((metric) => metric.reference === 'features') },
  };
}

/**
 * @throws {EvalError} `FEATURES_MISSING` if the extractor does not provide what a metric needs
 * @throws {RangeError} if a metric is unknown
 */
export function checkMetrics(metrics: readonly MetricName[], extractor: FeatureExtractor): void {
  for (const name of metrics) {
    const { generated } = metricOf(name);
    if (generated === 'logits' && !extractor.hasLogits) throw missing(name, 'logits', extractor);
    if (generated === 'spatial' && extractor.hasSpatial !== true) throw missing(name, 'spatial features', extractor);
  }
}

/**
 * Checks two sets before features are extracted, which may take long: their image sizes, and what the metrics need of a
 * set whose features were extracted earlier.
 * @throws {EvalError} if the sets differ in image size, the extractor does not take their images, or one of them lacks
 * features that a metric needs
 * @throws {RangeError} if a metric is unknown
 */
export function checkSets(
  generated: ImageSource | ImageFeatures,
  reference: ImageSource | ImageFeatures,
  extractor: FeatureExtractor,
  metrics: readonly MetricName[],
): void {
  checkSizes(generated, reference);
  for (const set of [generated, reference]) if (!isExtracted(set)) checkImages(extractor, set.shape);
  for (const name of metrics) {
    const metric = metricOf(name);
    if (isExtracted(generated)) requirePart(name, generated, metric.generated);
    if (isExtracted(reference)) requirePart(name, reference, metric.reference);
  }
}

function isExtracted(set: ImageSource | ImageFeatures): set is ImageFeatures {
  return 'statistics' in set;
}

function missing(metric: MetricName, part: string, { name }: { readonly name: string }): Error {
  return new EvalError('FEATURES_MISSING', `${metric} needs ${part}, which the extractor ${name} does not provide.`);
}

/**
 * Computes metrics of generated images against a reference.
 * @throws {EvalError} if the sets come from different extractors, differ in image size, or lack features that a metric
 * needs
 * @throws {RangeError} if a metric is unknown
 */
export function evaluate(
  generated: ImageFeatures,
  reference: ImageFeatures,
  options: EvaluateOptions = {},
): Evaluation {
  const { metrics = ['fid', 'kid'], seed = 0 } = options;
  checkSameExtractor(generated.extractor, reference.extractor, [generated.name, reference.name]);
  checkSizes(generated, reference);
  const measured = metrics.map((name) => {
    const metric = metricOf(name);
    requirePart(name, generated, metric.generated);
    requirePart(name, reference, metric.reference);
    return metric.measure(generated, reference, seed);
  });
  const notes = [...colorNotes(generated, reference), ...generated.notes, ...reference.notes];
  return {
    generated: summaryOf(generated),
    reference: summaryOf(reference),
    extractor: generated.extractor,
    comparable: comparableSentence(generated),
    results: measured.flatMap(({ results }) => results),
    warnings: [...new Set([...notes, ...measured.flatMap(({ warnings = [] }) => warnings)])],
  };
}

/** `FID` if the extractor is the one that papers use, else `FD-<extractor>`. */
export function frechetLabel({ comparable, name }: ExtractorIdentity): string {
  return comparable ? 'FID' : `FD-${name}`;
}

/** `KID` if the extractor is the one that papers use, else `KD-<extractor>`. */
export function kernelLabel({ comparable, name }: ExtractorIdentity): string {
  return comparable ? 'KID' : `KD-${name}`;
}

function comparableSentence({ extractor, count }: ImageFeatures): string {
  if (!extractor.comparable) {
    return (
      `Not comparable with published FIDs: the features come from the extractor ${extractor.name}. Compare only with ` +
      'numbers of the same extractor, weights, resize and number of images.'
    );
  }
  return (
    `Comparable with published FIDs of the same reference and number of images: the features match ` +
    `pytorch-fid. Most papers use 50,000 images; these are ${count}.`
  );
}

function requirePart(name: MetricName, set: ImageFeatures, part: Metric['generated']): void {
  if (part === undefined || set[part] !== undefined) return;
  if (part === 'features')
    throw new EvalError(
      'FEATURES_MISSING',
      `${name} needs the features of all images of ${set.name}, but only statistics were kept.`,
    );
  throw missing(name, part === 'logits' ? 'logits' : 'spatial features', set.extractor);
}

/** Any set, whether its features were extracted or not. */
type Sized = Pick<ImageFeatures, 'name' | 'shape'>;

/** @throws {EvalError} if the image sizes differ */
function checkSizes(a: Sized, b: Sized): void {
  if (a.shape[0] === b.shape[0] && a.shape[1] === b.shape[1]) return;
  throw new EvalError(
    'SETS_MISMATCH',
    `${a.name} has images of ${a.shape.join('x')}, ${b.name} of ${b.shape.join('x')} (height x width x channels). ` +
      'Resize them to one size first.',
  );
}

/** Extractors convert gray images to color. */
function colorNotes(a: Sized, b: Sized): string[] {
  if (a.shape[2] === b.shape[2]) return [];
  const [gray, color] = a.shape[2] === 1 ? [a, b] : [b, a];
  return [`${gray.name} is gray and ${color.name} is color: gray images are converted to three equal channels.`];
}

function summaryOf({ name, count, shape, sha256 }: ImageFeatures): SetSummary {
  return { name, count, shape, ...(sha256 !== undefined && { sha256 }) };
}

function higher(label: string, value: number): MetricValue {
  return { label, value, better: 'higher' };
}
