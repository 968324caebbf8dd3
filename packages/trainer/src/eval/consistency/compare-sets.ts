/** Consistency of two or more models: pixels, features, denoisers, and an image grid. */
import { toBytes } from '@dm/data';
import {
  consistency,
  extractorIdentity,
  type ConsistencyReport,
  type ExtractorIdentity,
  type FeatureExtractor,
  type PairMetricName,
  type SampleSet,
} from '@dm/eval';
import { prepareDenoiserAgreement, type LevelAgreement } from './denoisers.js';
import { openSameNoise, type SameNoiseOptions } from './same-noise.js';

export interface CompareSetsOptions extends SameNoiseOptions {
  /** Extractor for the cosine similarity of features, which is omitted without one. */
  readonly extractor?: FeatureExtractor;
  /** Default: cosine, MAE, PSNR and SSIM (omitted for images smaller than its window). */
  readonly metrics?: readonly PairMetricName[];
  /** Pairs with a cosine above it count as reproduced. Default: 0.6. */
  readonly threshold?: number;
  /** Also compare the denoisers at this many noise levels; all sets must then be runs or checkpoints. */
  readonly levels?: number;
  readonly onProgress?: (name: string, done: number, of: number) => void;
}

export interface SetsComparison {
  readonly sets: readonly SampleSet[];
  readonly shape: readonly [number, number, number];
  readonly count: number;
  readonly pixels: ConsistencyReport;
  /** Cosine similarity of features, and its own score. */
  readonly features?: { readonly extractor: ExtractorIdentity; readonly report: ConsistencyReport };
  readonly denoisers?: readonly LevelAgreement[];
}

/** Side of the SSIM window in pixels. */
const ssimWindow = 7;

/**
 * Compares sets (runs, checkpoints and .npy files of samples), all from the same noise.
 *
 * @throws {UserError} before any sampling step, if the sets cannot be compared
 */
export async function compareSets(specs: readonly string[], options: CompareSetsOptions = {}): Promise<SetsComparison> {
  const { extractor, levels, seed = 0, threshold, onProgress } = options;
  const { sample, shape, count } = await openSameNoise(specs, {
    ...options,
    ...(onProgress !== undefined && { onSet: (name: string) => onProgress(name, 0, 1) }),
  });
  const compareDenoisers =
    levels === undefined ? undefined : await prepareDenoiserAgreement(specs, { ...options, levels, count, seed });
  const sets = await sample();
  const common = { seed, ...(threshold !== undefined && { threshold }) };
  const all: readonly PairMetricName[] = ['cosine', 'mae', 'psnr', 'ssim'];
  const fitting = all.filter((name) => name !== 'ssim' || Math.min(shape[0], shape[1]) >= ssimWindow);
  const pixels = consistency(sets, { ...common, shape, metrics: options.metrics ?? fitting, dataRange: 2 });

  const features = extractor && {
    extractor: extractorIdentity(extractor),
    report: consistency(await featureSets(sets, shape, extractor, onProgress), {
      ...common,
      shape: [extractor.dimensions],
      metrics: ['cosine'],
    }),
  };
  const denoisers = await compareDenoisers?.();
  return { sets, shape, count, pixels, ...(features && { features }), ...(denoisers && { denoisers }) };
}

async function featureSets(
  sets: readonly SampleSet[],
  shape: readonly [number, number, number],
  extractor: FeatureExtractor,
  onProgress: CompareSetsOptions['onProgress'],
): Promise<SampleSet[]> {
  const size = shape[0] * shape[1] * shape[2];
  const batch = 64;
  const out: SampleSet[] = [];
  for (const { name, samples } of sets) {
    const count = samples.length / size;
    const features = new Float32Array(count * extractor.dimensions);
    for (let start = 0; start < count; start += batch) {
      const n = Math.min(batch, count - start);
      const data = toBytes(Float32Array.from(samples.subarray(start * size, (start + n) * size)));
      const part = await extractor.features({ data, shape: [n, ...shape] });
      features.set(part.features, start * extractor.dimensions);
      onProgress?.(`features of ${name}`, start + n, count);
    }
    out.push({ name, samples: features });
  }
  return out;
}
