import { checkInteger } from '@dm/ops';
import { EvalError } from '../errors.js';
import type { ExtractorIdentity, FeatureExtractor } from '../extractors/feature-extractor.js';
import { checkImages } from '../extractors/network-extractor.js';
import type { Features } from '../metrics/features.js';
import { concatFloat32 } from '../concat-float32.js';
import type { ImageSource } from '../sources/image-source.js';
import {
  createStatisticsAccumulator,
  type FeatureStatistics,
  type StatisticsAccumulator,
} from '../metrics/statistics.js';

/** Features and statistics of one set of images. */
export interface ImageFeatures {
  /** Name of the set. */
  readonly name: string;
  /** As in `ImageSource`. */
  readonly sha256?: string;
  /** Number of images used. */
  readonly count: number;
  /** [H, W, C] of the images. */
  readonly shape: readonly [number, number, number];
  readonly extractor: ExtractorIdentity;
  readonly statistics: FeatureStatistics;
  /** Statistics of the spatial features, for sFID, if the extractor provides them. */
  readonly spatial?: FeatureStatistics;
  /** Features of all images, if `keepFeatures` was set. */
  readonly features?: Features;
  /** Logits of all images, if `keepLogits` was set. */
  readonly logits?: Features;
  /** Skipped images, and other notes to report with the results. */
  readonly notes: readonly string[];
}

export interface ExtractionOptions {
  /** Images per extractor call. Default 64. */
  readonly batchSize?: number;
  /** Keep the features of all images (for KID, precision and recall, ...), at 4 bytes per number. */
  readonly keepFeatures?: boolean;
  /** Keep the logits of all images, for the inception score. */
  readonly keepLogits?: boolean;
  /** Called after each batch with the number of images read so far and in total. */
  readonly onProgress?: (done: number, of: number) => void;
}

/**
 * Extracts features of a set in one pass. Statistics accumulate in float64; features and logits are kept only on
 * request, so memory use is otherwise constant.
 * @throws {EvalError} if there are fewer than two valid images, a feature is not finite, or logits are requested from
 * an extractor without them
 * @throws {RangeError} if batchSize is not an integer >= 1
 */
export async function extractFeatures(
  source: ImageSource,
  extractor: FeatureExtractor,
  options: ExtractionOptions = {},
): Promise<ImageFeatures> {
  const { batchSize = 64, keepFeatures = false, keepLogits = false, onProgress } = options;
  checkInteger('extractFeatures: batchSize', batchSize, 1);
  const { name, shape } = source;
  checkImages(extractor, shape);
  if (keepLogits && !extractor.hasLogits) {
    throw new EvalError(
      'FEATURES_MISSING',
      `The extractor ${extractor.name} has no logits, which the inception score needs.`,
    );
  }
  const statistics = createStatisticsAccumulator(extractor.dimensions);
  let spatial: StatisticsAccumulator | undefined;
  const features: Float32Array[] = [];
  const logits: Float32Array[] = [];
  let classes = 0;
  let read = 0;
  for await (const data of source.batches(batchSize)) {
    const count = data.length / (shape[0] * shape[1] * shape[2]);
    const batch = await extractor.features({ data, shape: [count, ...shape] });
    statistics.add({ values: batch.features, dimension: extractor.dimensions });
    if (batch.spatial !== undefined) {
      const dimension = batch.spatial.length / count;
      spatial ??= createStatisticsAccumulator(dimension);
      spatial.add({ values: batch.spatial, dimension });
    }
    if (keepFeatures) features.push(batch.features);
    if (keepLogits) {
      logits.push(batch.logits!);
      classes = batch.logits!.length / count;
    }
    read += count;
    onProgress?.(read, source.length);
  }
  const { skipped, notes } = source;
  if (statistics.count < 2) {
    throw new EvalError(
      'SET_TOO_SMALL',
      `${name}: ${statistics.count} of ${source.length + skipped.length} images can be used; at least 2 are needed.`,
    );
  }
  return {
    name,
    ...(source.sha256 !== undefined && { sha256: source.sha256 }),
    count: statistics.count,
    shape,
    extractor: extractorIdentity(extractor),
    statistics: statistics.finish(),
    ...(spatial !== undefined && { spatial: spatial.finish() }),
    ...(keepFeatures && { features: { values: concatFloat32(features), dimension: extractor.dimensions } }),
    ...(keepLogits && { logits: { values: concatFloat32(logits), dimension: classes } }),
    notes: [
      ...notes,
      ...(skipped.length > 0
        ? [`${name}: ${statistics.count} images used, ${skipped.length} left out.`, ...skipped]
        : []),
    ],
  };
}

/** The fields that identify an extractor. */
export function extractorIdentity(extractor: FeatureExtractor): ExtractorIdentity {
  const { name, weightsSha256, resize, dimensions, comparable } = extractor;
  return { name, weightsSha256, resize, dimensions, comparable };
}

/** @throws {EvalError} `EXTRACTOR_MISMATCH` if the extractors differ; the message lists the fields */
export function checkSameExtractor(a: ExtractorIdentity, b: ExtractorIdentity, names: readonly [string, string]): void {
  const fields = ['name', 'weightsSha256', 'resize', 'dimensions'] as const;
  const differing = fields.filter((field) => a[field] !== b[field]);
  if (differing.length === 0) return;
  const differences = differing.map((field) => `${field} ${a[field]} and ${b[field]}`).join(', ');
  throw new EvalError(
    'EXTRACTOR_MISMATCH',
    `${names[0]} and ${names[1]} have features of different extractors (${differences}), which cannot be compared.`,
  );
}
