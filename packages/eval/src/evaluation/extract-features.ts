import { EvalError } from '../errors.js';
import type { ExtractorIdentity, FeatureExtractor } from '../extractors/feature-extractor.js';
import type { Features } from '../metrics/features.js';
import { concatFloat32 } from '../concat-float32.js';
import type { ImageSource } from '../sources/image-source.js';
import {
  createStatisticsAccumulator,
  type FeatureStatistics,
  type StatisticsAccumulator,
} from '../metrics/statistics.js';

/** What an extractor made of one set of images. */
export interface ImageFeatures {
  /** The set's name. */
  readonly name: string;
  /** As in `ImageSource`. */
  readonly sha256?: string;
  /** Images that were used. */
  readonly count: number;
  /** [H, W, C] of the images. */
  readonly shape: readonly [number, number, number];
  readonly extractor: ExtractorIdentity;
  readonly statistics: FeatureStatistics;
  /** Of the spatial features, for sFID; where the extractor has them. */
  readonly spatial?: FeatureStatistics;
  /** All features, where they were asked for. */
  readonly features?: Features;
  /** All logits, where they were asked for. */
  readonly logits?: Features;
  /** Images left out, and whatever else a reader must know. */
  readonly notes: readonly string[];
}

export interface ExtractionOptions {
  /** Images that go through the extractor at a time. Default 64. */
  readonly batchSize?: number;
  /** Keep all features (for KID, precision and recall, ...), not their statistics only: 4 bytes a number. */
  readonly keepFeatures?: boolean;
  /** Keep all logits, for the inception score. */
  readonly keepLogits?: boolean;
  /** Called after each batch with the images read so far, of so many. */
  readonly onProgress?: (done: number, of: number) => void;
}

/**
 * Reads a set once and gathers what metrics need, in one pass: the statistics in float64; features and logits only
 * where they are asked for, so memory stays flat otherwise.
 * @throws {EvalError} on fewer than two good images and on features that are not finite
 */
export async function extractFeatures(
  source: ImageSource,
  extractor: FeatureExtractor,
  options: ExtractionOptions = {},
): Promise<ImageFeatures> {
  const { batchSize = 64, keepFeatures = false, keepLogits = false, onProgress } = options;
  const { name, shape } = source;
  if (keepLogits && !extractor.hasLogits) {
    throw new EvalError(
      'FEATURES_MISSING',
      `The extractor ${extractor.name} has no logits, so there is no inception score with it.`,
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
      `${name}: ${statistics.count} good image(s) of ${source.length + skipped.length}; at least 2 are needed.`,
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

/** What tells features of one extractor from those of another. */
export function extractorIdentity(extractor: FeatureExtractor): ExtractorIdentity {
  const { name, weightsSha256, resize, dimensions, comparable } = extractor;
  return { name, weightsSha256, resize, dimensions, comparable };
}

/** Throws an EvalError that names the fields that differ where features were made by different extractors. */
export function checkSameExtractor(a: ExtractorIdentity, b: ExtractorIdentity, names: readonly [string, string]): void {
  const fields = ['name', 'weightsSha256', 'resize', 'dimensions'] as const;
  const differing = fields.filter((field) => a[field] !== b[field]);
  if (differing.length === 0) return;
  const told = differing.map((field) => `${field} ${a[field]} and ${b[field]}`).join(', ');
  throw new EvalError(
    'EXTRACTOR_MISMATCH',
    `${names[0]} and ${names[1]} have features of different extractors (${told}), which cannot be compared.`,
  );
}
