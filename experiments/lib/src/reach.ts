/** Steps to a target: how soon a training reaches the value that another ended with. */
import { curve, type Metric, type Weights } from './metrics.js';
import type { TrialResult } from './run-trial.js';
import { firstReach, interval, type Interval } from './statistics.js';

export interface Reach {
  /** Images seen when the target was first reached, of the trials that reached it. */
  readonly images: readonly number[];
  /** Trials that reached it, of so many. */
  readonly reached: number;
  readonly of: number;
  /** Images of the whole reference run over `images`: 2 is twice as fast. Absent where none reached it. */
  readonly speedup?: Interval;
}

/** When each trial first falls to `target`, interpolated between its evaluations; `reference` is the other run's length in images. */
export function reach(
  trials: readonly TrialResult[],
  metric: Metric,
  weights: Weights,
  target: number,
  reference: number,
): Reach {
  const images = trials.flatMap((trial) => {
    const { images: x, value } = curve(trial, metric, weights);
    return firstReach(x, value, target) ?? [];
  });
  const counts = { images, reached: images.length, of: trials.length };
  return images.length === 0 ? counts : { ...counts, speedup: interval(images.map((x) => reference / x)) };
}
