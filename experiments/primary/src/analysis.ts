/** The analysis of PREREG.md: speed-ups of the recipes over the baseline, with intervals, tests, and the gate. */
import {
  firstFailure,
  fitSpeedups,
  holm,
  logSpeedup,
  passesGate,
  pValue,
  tQuantile,
  type Interval,
  type LogSpeedup,
  type MetricFloor,
  type SpeedupEstimate,
} from '@dm/experiments';
import { baseline, linearDecay, method, type Prediction } from './recipes.js';
import type { BoundsResult, FloorResult, Point, TrialResult } from './results.js';
import type { Endpoint, Size } from './sizes.js';
import { predictionsOf } from './trials.js';

/**
 * Of a point; undefined if it was not measured. The unbiased estimate of KD may be 0 or below, which has no logarithm;
 * it counts as the spread of the floor, below which nothing can be told apart.
 */
function valueOfPoint(point: Point, endpoint: Endpoint, floor?: MetricFloor): number | undefined {
  const value = { E1: point.losses['ema']!.geometricMean, KD: point.kd, FD: point.fd }[endpoint];
  if (value === undefined || !Number.isFinite(value)) return undefined;
  return value > 0 ? value : (floor?.spread ?? Number.MIN_VALUE);
}

export interface SpeedupRow {
  readonly prediction: Prediction;
  readonly endpoint: Endpoint;
  readonly recipe: string;
  readonly estimate: SpeedupEstimate;
  /** p-value of a speed-up of 1, adjusted by Holm's method; of the primary tests only. */
  readonly adjustedP?: number;
  /** Of the primary tests only. */
  readonly verdict?: string;
}

export interface Analysis {
  /** Seeds of which all finals are done. */
  readonly seeds: readonly number[];
  readonly rows: readonly SpeedupRow[];
  /** The method over linear decay at an equal number of images, with its 90% interval. */
  readonly overDecay: readonly {
    readonly prediction: Prediction;
    readonly endpoint: Endpoint;
    /** Undefined if only a bound of one of the two is known. */
    readonly ratio: Interval | undefined;
  }[];
  readonly gate: readonly GateRow[];
}

/** Loss of the baseline over the Wiener filter's in each noise range, from noisy to clean. */
export interface GateRow {
  readonly prediction: Prediction;
  /** Length of the run as a multiple of N. */
  readonly length: number;
  /** Number of baselines that the ratios are means of. */
  readonly baselines: number;
  readonly ratios: readonly (number | null)[];
  readonly passes: boolean;
}

/** What the finals are compared with, as far as it is measured. */
export interface References {
  readonly bounds?: BoundsResult;
  readonly floor?: FloorResult;
}

/** A final without what it reached from its failure on, marked as diverged; another one as it is. */
export function untilFailure(result: TrialResult, { bounds }: References): TrialResult {
  if (result.stage === 'tuning') return result;
  const failed = firstFailure(
    result.points.map(({ losses }) => losses['ema']!.geometricMean),
    bounds?.wiener.geometricMean,
  );
  return failed === -1 ? result : { ...result, points: result.points.slice(0, failed), hasDiverged: true };
}

/** Analyzes the finals. Returns no rows with fewer than two complete seeds. */
export function analyze(all: readonly TrialResult[], size: Size, references: References): Analysis {
  const { bounds, floor } = references;
  const results = all.map((result) => untilFailure(result, references));
  const seeds = completeSeeds(results, size);
  const gateRows = bounds === undefined ? [] : predictionsOf(size).flatMap((one) => gateOf(results, one, size, bounds));
  if (seeds.length < 2) return { seeds, rows: [], overDecay: [], gate: gateRows };
  const rows: SpeedupRow[] = [];
  const overDecay: Analysis['overDecay'][number][] = [];
  const tests: { readonly row: number; readonly p: number }[] = [];
  for (const prediction of predictionsOf(size)) {
    for (const endpoint of size.endpoints) {
      const speedups = speedupsOf(results, prediction, endpoint, size, seeds, floorOf(floor, endpoint));
      const table = fitSpeedups(speedups);
      for (const recipe of Object.keys(speedups)) {
        const estimate = table.estimate(recipe);
        const isPrimary = recipe === method.name && endpoint !== 'FD';
        // A test of which only a bound is known stays among the four, but shows nothing.
        if (isPrimary) tests.push({ row: rows.length, p: estimate.bounds > 0 ? 1 : pValue(estimate) });
        const passes = gateRows.some((row) => row.prediction === prediction && row.passes);
        rows.push({
          prediction,
          endpoint,
          recipe,
          estimate,
          ...(isPrimary && { verdict: passes ? verdictOf(estimate) : 'none: the gate is not passed' }),
        });
      }
      overDecay.push({ prediction, endpoint, ratio: table.difference(method.name, linearDecay.name, 0.9) });
    }
  }
  const adjusted = holm(tests.map(({ p }) => p));
  tests.forEach(({ row }, i) => (rows[row] = { ...rows[row]!, adjustedP: adjusted[i]! }));
  return { seeds, rows, overDecay, gate: gateRows };
}

/** Half-widths of the method's intervals above which more seeds are trained. */
const wide = { E1: 0.15, KD: 0.4 };

/**
 * Whether an interval of the method is too wide, for either prediction type, without regard to the sign. An end that is
 * open because only a bound is known does not count: more seeds would not close it.
 */
export function isTooWide({ rows }: Analysis): boolean {
  return rows.some(
    ({ recipe, endpoint, estimate }) =>
      recipe === method.name && endpoint !== 'FD' && halfWidth(estimate) > wide[endpoint],
  );
}

/** Of the 95% interval, whether its ends are open or not. */
export const halfWidth = ({ standardError, df }: Pick<Interval, 'standardError' | 'df'>): number =>
  tQuantile(0.975, df) * standardError;

/** Supported: above 1.5 with the whole interval, and at least 2. Refuted at this scale: below 2 with the whole interval. */
export function verdictOf({ value, low, high }: Pick<Interval, 'value' | 'low' | 'high'>): string {
  if (low > Math.log(1.5) && value >= Math.LN2) return 'supported';
  if (high < Math.LN2) return 'refuted at this scale';
  return 'undecided';
}

/** The log speed-ups at N of all recipes, by name, with `seeds` in order. */
function speedupsOf(
  results: readonly TrialResult[],
  prediction: Prediction,
  endpoint: Endpoint,
  size: Size,
  seeds: readonly number[],
  floor: MetricFloor | undefined,
): Record<string, LogSpeedup[]> {
  const of = (recipe: string, seed: number) =>
    results.find(
      (one) =>
        one.stage === 'finals' &&
        one.prediction === prediction &&
        one.recipe === recipe &&
        one.seed === seed &&
        one.steps === (recipe === baseline.name ? 4 : 1) * size.steps,
    )!;
  return Object.fromEntries(
    size.recipes[prediction]!.map(({ name }) => [
      name,
      seeds.map((seed): LogSpeedup => {
        const curve = of(baseline.name, seed).points.flatMap((point) => {
          const metric = valueOfPoint(point, endpoint, floor);
          return metric === undefined ? [] : [{ images: point.images, metric }];
        });
        const run = of(name, seed);
        const last = run.points.at(-1);
        const metric = last && valueOfPoint(last, endpoint, floor);
        const images = size.steps * size.batchSize;
        // The curve of a baseline that diverged ends early.
        if (curve.length < 2) return { value: 0, bound: 'unknown' };
        // A diverged run reached nothing: at most as fast as the start of the curve.
        if (run.hasDiverged || metric === undefined) {
          return { value: Math.log(curve[0]!.images / images), bound: 'atMost' };
        }
        return logSpeedup(
          { images: curve.map((point) => point.images), metric: curve.map((point) => point.metric) },
          { metric, images },
          floor,
        );
      }),
    ]),
  );
}

function floorOf(floor: FloorResult | undefined, endpoint: Endpoint): MetricFloor | undefined {
  if (floor === undefined || endpoint === 'E1') return undefined;
  const found = endpoint === 'KD' ? floor.kd : floor.fd;
  // The unbiased kernel distance of two sets of real images is about 0, and may be negative.
  return { value: Math.max(0, found.value), spread: found.spread };
}

/** Seeds of which all finals of the prediction types are done; by default, of all types of the size. */
export function completeSeeds(
  results: readonly TrialResult[],
  size: Size,
  predictions: readonly Prediction[] = predictionsOf(size),
): number[] {
  const isDone = (seed: number) =>
    predictions.every((prediction) =>
      [baseline, ...size.recipes[prediction]!].every((recipe) =>
        (recipe === baseline ? [4] : [1 / 2, 1]).every((length) =>
          results.some(
            (one) =>
              one.stage === 'finals' &&
              one.seed === seed &&
              one.prediction === prediction &&
              one.recipe === recipe.name &&
              one.steps === length * size.steps,
          ),
        ),
      ),
    );
  return [...new Set(results.filter(({ stage }) => stage === 'finals').map(({ seed }) => seed))].filter(isDone);
}

/** The gate at N, 2N and 4N, with the mean loss over the seeds at hand. */
function gateOf(results: readonly TrialResult[], prediction: Prediction, size: Size, bounds: BoundsResult): GateRow[] {
  const runs = results.filter(
    (one) =>
      one.stage === 'finals' && one.prediction === prediction && one.recipe === baseline.name && !one.hasDiverged,
  );
  if (runs.length === 0) return [];
  return [1, 2, 4].map((length) => {
    const points = runs.map((run) => run.points.find(({ step }) => step === length * size.steps)!);
    const ratios = bounds.wiener.buckets.map((wiener, bucket) => {
      if (wiener === null) return null;
      const losses = points.map((point) => point.losses['ema']!.buckets[bucket] ?? NaN);
      return losses.reduce((sum, loss) => sum + loss, 0) / losses.length / wiener;
    });
    return { prediction, length, baselines: points.length, ratios, passes: passesGate(ratios) };
  });
}
