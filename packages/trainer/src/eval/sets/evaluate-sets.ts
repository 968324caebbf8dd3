/** Metrics of one set against another. */
import {
  checkMetrics,
  checkSets,
  evaluate,
  extractFeatures,
  cachedStatistics,
  requiredFeatures,
  statisticsPath,
  writeStatistics,
  type Evaluation,
  type FeatureExtractor,
  type ImageFeatures,
  type ImageSource,
  type MetricName,
} from '@dm/eval';
import { isFault, messageOf } from '../../errors.js';
import { checkPreprocessing, kindOfSet, openSet, type OpenedSet, type OpenSetOptions } from './open-set.js';
import { inPhase } from '../../setup/phases.js';
import { preprocessingOfRun, type Preprocessing } from './preprocessing.js';

export interface EvaluateSetsOptions extends OpenSetOptions {
  readonly extractor: FeatureExtractor;
  readonly metrics: readonly MetricName[];
  /**
   * Cache folder for the statistics of sets that do not change. If it cannot be used, they are not cached, which is noted.
   * Default: no cache.
   */
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
  // A copy of a training image is found only if the image is in the reference.
  const { count: _, ...all } = options;
  const referenceOptions = metrics.includes('memorization') ? all : options;
  // Both are opened and checked first: generating samples only to find that the reference is not usable would waste hours.
  return withSet(generated, options, ofRun, (a) =>
    withSet(reference, referenceOptions, ofRun, async (b) => {
      checkSets(imagesOf(a), imagesOf(b), extractor, metrics);
      return evaluate(
        await extracted(a, needs.generated, options),
        await extracted(b, needs.reference, referenceOptions),
        { metrics, seed },
      );
    }),
  );
}

/** What to keep of the features of a set, for the metrics. */
interface FeatureNeeds {
  readonly keepFeatures: boolean;
  readonly keepLogits?: boolean;
}

/** The features of a set: from the cache if available, otherwise extracted and cached. */
export async function featuresOf(
  spec: string,
  needs: FeatureNeeds,
  options: EvaluateSetsOptions,
): Promise<ImageFeatures> {
  return withSet(spec, options, undefined, (opened) => extracted(opened, needs, options));
}

/** Opens a set for the duration of `use`. `ofRun` is the preprocessing of the run that it is compared with. */
async function withSet<T>(
  spec: string,
  options: EvaluateSetsOptions,
  ofRun: Preprocessing | undefined,
  use: (opened: OpenedSet) => Promise<T>,
): Promise<T> {
  const { extractor, onPhase } = options;
  const opened = await inPhase(onPhase, `opening ${spec}`, () => openSet(spec, extractor, options, ofRun));
  try {
    return await use(opened);
  } finally {
    if (opened.kind === 'run') await opened.source.dispose();
  }
}

function imagesOf(opened: OpenedSet): ImageSource | ImageFeatures {
  return opened.kind === 'statistics' ? opened.set : opened.source;
}

async function extracted(
  opened: OpenedSet,
  needs: FeatureNeeds,
  { extractor, cache, onNote, onPhase, onProgress }: EvaluateSetsOptions,
): Promise<ImageFeatures> {
  if (opened.kind === 'statistics') return opened.set;
  const { source } = opened;
  const { sha256, name } = source;
  const extract = () =>
    inPhase(onPhase, name, () =>
      extractFeatures(source, extractor, {
        ...needs,
        ...(onProgress !== undefined && { onProgress: (done, of) => onProgress(name, done, of) }),
      }),
    );
  if (cache === undefined || sha256 === undefined || needs.keepLogits === true) return extract();
  try {
    const kept = await cachedStatistics(cache, sha256, extractor, {
      needsFeatures: needs.keepFeatures,
      ...(onNote !== undefined && { onNote }),
    });
    if (kept !== undefined) return { ...kept, name };
  } catch (error) {
    noteUncached(name, error, onNote);
    return extract();
  }
  const set = await extract();
  try {
    await writeStatistics(statisticsPath(cache, sha256, extractor), set);
  } catch (error) {
    noteUncached(name, error, onNote);
  }
  return set;
}

/** The result is worth more than the cache, so the evaluation continues without it. */
function noteUncached(name: string, error: unknown, onNote: EvaluateSetsOptions['onNote']): void {
  if (isFault(error)) throw error;
  onNote?.(
    `the statistics of ${name} could not be cached (${messageOf(error)}): set DM_CACHE to a folder that can be written, or ` +
      'omit the cache with --no-cache.',
  );
}
