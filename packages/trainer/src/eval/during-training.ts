/** Periodic evaluation of samples against the training data. */
import { toBytes } from '@dm/data';
import {
  checkImages,
  checkMetrics,
  openDatasetSource,
  evaluate,
  extractFeatures,
  frechetLabel,
  kernelLabel,
  requiredFeatures,
  createArraySource,
  type ImageFeatures,
} from '@dm/eval';
import type { Engine } from '@dm/ops';
import { sha256 } from '../files/hash.js';
import type { Images } from '../files/images.js';
import type { OpenedTrainingSetup } from '../setup/open-training-setup.js';
import { openExtractor } from './extractors/extractor.js';

export interface TrainingEvaluator {
  /** Label of the first metric. */
  readonly label: string;
  /** SHA-256 of what the numbers depend on besides the weights: they may be compared only if it is the same. */
  readonly settingSha256: string;
  /** Measures all metrics; values by label. */
  measure(samples: Images): Promise<Record<string, number>>;
  dispose(): Promise<void>;
}

/**
 * Opens the evaluator of a run. The reference is a fixed set of as many images of the data as there are samples, chosen by
 * the run's seed; its features are extracted at the first evaluation, on the training engine.
 *
 * @throws {Error} if the extractor or a metric is not available, or does not fit the data: the first evaluation, in the
 *   middle of training, must not be what finds out
 */
export async function openTrainingEvaluator(
  { config, dataset }: Pick<OpenedTrainingSetup, 'config' | 'dataset'>,
  engine: Engine,
  onNote?: (text: string) => void,
): Promise<TrainingEvaluator> {
  const { seed, evaluation } = config;
  const { metrics, samples: count } = evaluation;
  const { type, weights, ...options } = evaluation.extractor;
  const resize = 'resize' in options ? options.resize : null;
  const extractor = await openExtractor(type, {
    engine,
    ...(weights !== null && { weights }),
    ...(resize !== null && { resize }),
  });
  checkMetrics(metrics, extractor);
  checkImages(extractor, dataset.shape);
  const images = await openDatasetSource(dataset, { count: Math.min(count, dataset.length), seed });
  const needs = requiredFeatures(metrics);
  let reference: ImageFeatures | undefined;
  const { name, weightsSha256, resize: resizing, dimensions } = extractor;
  const setting = { samples: count, sampler: config.sampler, name, weightsSha256, resizing, dimensions };
  return {
    settingSha256: sha256(JSON.stringify(setting)),
    label: metrics[0] === 'kid' ? kernelLabel(extractor) : frechetLabel(extractor),
    async measure({ images: samples, shape }) {
      const isFirst = reference === undefined;
      reference ??= await extractFeatures(images, extractor, needs.reference);
      const source = createArraySource('samples', { shape: [...shape], data: toBytes(samples) });
      const generated = await extractFeatures(source, extractor, needs.generated);
      const { results, warnings } = evaluate(generated, reference, { metrics, seed });
      if (isFirst) for (const warning of warnings) onNote?.(`evaluation: ${warning}`);
      return Object.fromEntries(results.map(({ label, value }) => [label, value]));
    },
    dispose: () => extractor.dispose(),
  };
}
