/** Steps to a target: how soon a training reaches the value that another ended with. */
import type { TrialResult } from '../trial/result.js';
import { metricCurve, type Metric, type Weights } from './metrics.js';
import { confidenceInterval, firstCrossing, formatInterval, type ConfidenceInterval } from './statistics.js';

export interface StepsToTarget {
  /** Images seen when the target was first reached, of the trials that reached it. */
  readonly images: readonly number[];
  /** Trials that reached it, of so many. */
  readonly reached: number;
  readonly of: number;
  /** Images of the whole reference run over `images`: 2 is twice as fast. Absent where none reached it. */
  readonly speedup?: ConfidenceInterval;
  /** Whether a trial was there at its first measurement already, so that it may have been faster. */
  readonly isLeast: boolean;
}

/** A falling metric over images, ascending. */
export interface Curve {
  readonly x: readonly number[];
  readonly y: readonly number[];
}

/** When each curve first falls to `target`, interpolated; `reference` is the other run's length in images. */
export function curvesToTarget(curves: readonly Curve[], target: number, reference: number): StepsToTarget {
  const found = curves.map(({ x, y }) => ({ first: x[0], at: firstCrossing(x, y, target) }));
  const images = found.flatMap(({ at }) => at ?? []);
  return {
    images,
    reached: images.length,
    of: curves.length,
    ...(images.length > 0 && { speedup: confidenceInterval(images.map((x) => reference / x)) }),
    isLeast: found.some(({ first, at }) => at !== undefined && at === first),
  };
}

/** `curvesToTarget` the trials' own curves, between their evaluations. */
export function stepsToTarget(
  trials: readonly TrialResult[],
  metric: Metric,
  weights: Weights,
  target: number,
  reference: number,
): StepsToTarget {
  const curves = trials.map((trial) => {
    const { images: x, value: y } = metricCurve(trial, metric, weights);
    return { x, y };
  });
  return curvesToTarget(curves, target, reference);
}

/** `2.10 [1.95, 2.25]`; "at least" where the first measurement was enough, and counts where not every seed got there. */
export function formatSpeedup({ speedup, reached, of, isLeast }: StepsToTarget): string {
  if (speedup === undefined) return `not reached (0 of ${of})`;
  const counts = reached < of ? ` (${reached} of ${of} seeds)` : '';
  return `${isLeast ? 'at least ' : ''}${formatInterval(speedup)}${counts}`;
}
