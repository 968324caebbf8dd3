/** Metrics of a training's own samples against its own data, every so many steps. */
import { toBytes } from '@dm/data';
import {
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
import type { Images } from '../files/images.js';
import type { OpenedTrainingSetup } from '../setup/open-training-setup.js';
import { openExtractor } from './extractors/extractor.js';

/** Lower is better for each: the first of a configuration chooses the best checkpoint. */
export const trainingMetrics = ['fid', 'kid'] as const;

export interface TrainingEvaluator {
  /** Name of the first metric's number. */
  readonly label: string;
  /** Every number by its name. */
  measure(samples: Images): Promise<Record<string, number>>;
  dispose(): Promise<void>;
}

/**
 * The reference are as many images of the data as there are samples, chosen by the run's seed, the same at each
 * evaluation; their features are made at the first, on the training's own engine. Throws an Error where the extractor or a metric is not to be had.
 */
export async function trainingEvaluator(
  { config, dataset }: Pick<OpenedTrainingSetup, 'config' | 'dataset'>,
  engine: Engine,
  onNote?: (text: string) => void,
): Promise<TrainingEvaluator> {
  const { evalMetrics, evalSamples, evalExtractor, evalWeights, seed } = config;
  const extractor = await openExtractor(evalExtractor, {
    engine,
    ...(evalWeights !== null && { weights: evalWeights }),
  });
  checkMetrics(evalMetrics, extractor);
  const needs = requiredFeatures(evalMetrics);
  let reference: ImageFeatures | undefined;
  return {
    label: evalMetrics[0] === 'kid' ? kernelLabel(extractor) : frechetLabel(extractor),
    async measure({ images, shape }) {
      const isFirst = reference === undefined;
      reference ??= await extractFeatures(
        await openDatasetSource(dataset, { count: Math.min(evalSamples, dataset.length), seed }),
        extractor,
        needs.reference,
      );
      const source = createArraySource('samples', { shape: [...shape], data: toBytes(images) });
      const generated = await extractFeatures(source, extractor, needs.generated);
      const { results, warnings } = evaluate(generated, reference, { metrics: evalMetrics, seed });
      if (isFirst) for (const warning of warnings) onNote?.(`evaluation: ${warning}`);
      return Object.fromEntries(results.map(({ label, value }) => [label, value]));
    },
    dispose: () => extractor.dispose(),
  };
}
