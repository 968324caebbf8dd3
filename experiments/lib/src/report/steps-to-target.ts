/** Speed-up to a target: how many images a run needs to reach the final value of another run. */
import type { TrialResult } from '../trial/result.js';
import { metricCurve, type Metric, type Weights } from './metrics.js';
import { confidenceInterval, firstCrossing, formatInterval, type ConfidenceInterval } from './statistics.js';

export interface StepsToTarget {
  /** Images seen when the target was first reached, for each trial that reached it. */
  readonly images: readonly number[];
  /** Number of trials that reached the target. */
  readonly reached: number;
  /** Number of trials. */
  readonly of: number;
  /** Images of the complete reference run / `images`: 2 is twice as fast. Absent if no trial reached the target. */
  readonly speedup?: ConfidenceInterval;
  /** Whether a trial had already reached the target at its first measurement, so that the speed-up is a lower bound. */
  readonly isLeast: boolean;
}

/** A metric (y) against images seen (x, ascending). */
export interface Curve {
  readonly x: readonly number[];
  readonly y: readonly number[];
}

/**
 * Images at which each curve first reaches `target`, interpolated. `reference` is the length of the other run in
 * images.
 */
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

/** `curvesToTarget` of the trials' evaluations during training. */
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

/** Formats a speed-up, as in `at least 2.10 [1.95, 2.25] (2 of 3 seeds)`. */
export function formatSpeedup({ speedup, reached, of, isLeast }: StepsToTarget): string {
  if (speedup === undefined) return `not reached (0 of ${of})`;
  const counts = reached < of ? ` (${reached} of ${of} seeds)` : '';
  return `${isLeast ? 'at least ' : ''}${formatInterval(speedup)}${counts}`;
}
