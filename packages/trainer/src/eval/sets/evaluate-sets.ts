/** Metrics of one set against another. */
import {
  checkMetrics,
  evaluate,
  extractFeatures,
  cachedStatistics,
  requiredFeatures,
  statisticsPath,
  writeStatistics,
  type Evaluation,
  type FeatureExtractor,
  type ImageFeatures,
  type MetricName,
} from '@dm/eval';
import { checkPreprocessing, kindOfSet, openSet, type OpenSetOptions } from './open-set.js';
import { inPhase } from '../../setup/phases.js';
import { preprocessingOfRun, type Preprocessing } from './preprocessing.js';

export interface EvaluateSetsOptions extends OpenSetOptions {
  readonly extractor: FeatureExtractor;
  readonly metrics: readonly MetricName[];
  /** Cache folder for the statistics of sets that do not change. Default: no cache. */
  readonly cache?: string;
  /** Called after each batch of a set. */
  readonly onProgress?: (name: string, done: number, of: number) => void;
}

/**
 * Evaluates `generated` against `reference`, each one of `SET_FORMS`. If one of them is a run, image files and data sets
 * are preprocessed as its training data by default. With the metric `memorization`, all reference images are used, whatever
 * `count` is.
 *
 * @throws {Error} if a set cannot be used; the message names the set and the problem
 */
export async function evaluateSets(
  generated: string,
  reference: string,
  options: EvaluateSetsOptions,
): Promise<Evaluation> {
  const { metrics, seed = 0, extractor } = options;
  checkMetrics(metrics, extractor);
  const needs = requiredFeatures(metrics);
  const sets = [generated, reference];
  const kinds = await Promise.all(sets.map((set) => kindOfSet(set)));
  checkPreprocessing(kinds, options);
  const run = sets.find((_, i) => kinds[i] === 'run');
  const ofRun = run === undefined ? undefined : preprocessingOfRun(run);
  const a = await featuresOf(generated, needs.generated, options, ofRun);
  // A copy of a training image is found only if the image is in the reference.
  const { count: _, ...all } = options;
  const b = await featuresOf(reference, needs.reference, metrics.includes('memorization') ? all : options, ofRun);
  return evaluate(a, b, { metrics, seed });
}

/**
 * The features of a set: from the cache if available, otherwise extracted and cached. `ofRun` is the preprocessing of the
 * run that it is compared with.
 */
export async function featuresOf(
  spec: string,
  needs: { readonly keepFeatures: boolean; readonly keepLogits?: boolean },
  options: EvaluateSetsOptions,
  ofRun?: Preprocessing,
): Promise<ImageFeatures> {
  const { extractor, cache, onNote, onPhase, onProgress } = options;
  const opened = await inPhase(onPhase, `opening ${spec}`, () => openSet(spec, extractor, options, ofRun));
  if (opened.kind === 'statistics') return opened.set;
  const { source } = opened;
  try {
    const canBeKept = cache !== undefined && source.sha256 !== undefined && needs.keepLogits !== true;
    if (canBeKept) {
      const kept = await cachedStatistics(cache, source.sha256, extractor, {
        needsFeatures: needs.keepFeatures,
        ...(onNote !== undefined && { onNote }),
      });
      if (kept !== undefined) return { ...kept, name: source.name };
    }
    const set = await inPhase(onPhase, source.name, () =>
      extractFeatures(source, extractor, {
        ...needs,
        ...(onProgress !== undefined && { onProgress: (done, of) => onProgress(source.name, done, of) }),
      }),
    );
    if (canBeKept) await writeStatistics(statisticsPath(cache, source.sha256, extractor), set);
    return set;
  } finally {
    if (opened.kind === 'run') await opened.source.dispose();
  }
}
