/** Metrics of finished trials. Lower is better for all of them. */
import { geometricMean } from '@dm/eval';
import type { Point, TrialResult } from '../trial/result.js';
import { confidenceInterval, type ConfidenceInterval } from './statistics.js';

export const metricNames = ['validation', 'geometric', 'fd', 'kd'] as const;
export type Metric = (typeof metricNames)[number];
export type Weights = 'raw' | 'ema';

/** Names in tables. They are not FID and KID, which are defined with another network. */
export const metricTitles: Readonly<Record<Metric, string>> = {
  validation: 'validation loss',
  geometric: 'geometric mean over quarters of t',
  fd: 'FD-classifier',
  kd: 'KD-classifier',
};

function valueAt(point: Point, metric: Metric, weights: Weights): number | undefined {
  if (metric === 'validation') return point.validation?.[weights].loss;
  if (metric === 'geometric') return point.validation && geometricMean(point.validation[weights].quarters);
  return point.samples?.[weights][metric];
}

/** The value after the last step; undefined if the run diverged. */
export function finalValue(result: TrialResult, metric: Metric, weights: Weights): number | undefined {
  if (result.divergedAt !== undefined) return undefined;
  const last = result.points.at(-1);
  return last && valueAt(last, metric, weights);
}

/** The metric at each step at which it was measured. */
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

/** Mean over seeds of the final value; undefined if a seed diverged or `results` is empty. */
export function finalInterval(
  results: readonly TrialResult[],
  metric: Metric,
  weights: Weights,
): ConfidenceInterval | undefined {
  const values = results.map((result) => finalValue(result, metric, weights));
  return values.length === 0 || values.includes(undefined) ? undefined : confidenceInterval(values as number[]);
}

/** Ratio of the final values of `a` and `b`, paired by seed; undefined if they have no finished seed in common. */
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

/** Judges a paired ratio by its interval: below 1 is better. Undefined for fewer than two seeds. */
export function judgeRatio(
  ratio: ConfidenceInterval | undefined,
): 'better' | 'worse' | 'no clear difference' | undefined {
  if (ratio?.low === undefined || ratio.high === undefined) return undefined;
  if (ratio.high < 1) return 'better';
  return ratio.low > 1 ? 'worse' : 'no clear difference';
}
