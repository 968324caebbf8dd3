/** Numbers out of finished trials. All are better when lower. */
import type { Point, TrialResult } from '../trial/result.js';
import { confidenceInterval, type ConfidenceInterval } from './statistics.js';

export const metricNames = ['validation', 'fd', 'kd'] as const;
export type Metric = (typeof metricNames)[number];
export type Weights = 'raw' | 'ema';

/** As tables call them: no FID and no KID, whose network is another. */
export const metricTitles: Readonly<Record<Metric, string>> = {
  validation: 'validation loss',
  fd: 'FD-classifier',
  kd: 'KD-classifier',
};

function valueAt(point: Point, metric: Metric, weights: Weights): number | undefined {
  return metric === 'validation' ? point.validation?.[weights].loss : point.samples?.[weights][metric];
}

/** The value after the last step; undefined for a run that diverged. */
export function finalValue(result: TrialResult, metric: Metric, weights: Weights): number | undefined {
  if (result.divergedAt !== undefined) return undefined;
  const last = result.points.at(-1);
  return last && valueAt(last, metric, weights);
}

/** The points at which the metric was measured. */
export function metricCurve(
  result: TrialResult,
  metric: Metric,
  weights: Weights,
): { readonly step: number[]; readonly images: number[]; readonly value: number[] } {
  const measured = result.points.filter((point) => valueAt(point, metric, weights) !== undefined);
  return {
    step: measured.map((point) => point.step),
    images: measured.map((point) => point.images),
    value: measured.map((point) => valueAt(point, metric, weights)!),
  };
}

/** Mean over seeds of the final value; undefined where a seed diverged or there is none. */
export function finalInterval(
  results: readonly TrialResult[],
  metric: Metric,
  weights: Weights,
): ConfidenceInterval | undefined {
  const values = results.map((result) => finalValue(result, metric, weights));
  return values.length === 0 || values.includes(undefined) ? undefined : confidenceInterval(values as number[]);
}

/** Final value of `a` over that of `b`, seed by seed; undefined without a seed that both finished. */
export function pairedRatio(
  a: readonly TrialResult[],
  b: readonly TrialResult[],
  metric: Metric,
  weights: Weights,
): ConfidenceInterval | undefined {
  const ratios = a.flatMap((result) => {
    const sameSeed = b.find(({ seed }) => seed === result.seed);
    const [x, y] = [finalValue(result, metric, weights), sameSeed && finalValue(sameSeed, metric, weights)];
    return x === undefined || y === undefined ? [] : [x / y];
  });
  return ratios.length === 0 ? undefined : confidenceInterval(ratios);
}

/** Whether a paired ratio says better (below 1), worse or neither, by its interval; `undefined` of fewer than two seeds. */
export function judgeRatio(
  ratio: ConfidenceInterval | undefined,
): 'better' | 'worse' | 'no clear difference' | undefined {
  if (ratio?.low === undefined || ratio.high === undefined) return undefined;
  if (ratio.high < 1) return 'better';
  return ratio.low > 1 ? 'worse' : 'no clear difference';
}
