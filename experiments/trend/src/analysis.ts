/** Speed-ups at each point, and how they change along an axis. */
import {
  confidenceInterval,
  finalLoss,
  logSpeedup,
  openEnds,
  type ConfidenceInterval,
  type CurveResult,
  type LogSpeedup,
  type StageResults,
} from '@dm/experiments';
import { baseline, finalName, type Axis, type Point } from './trial.js';

/**
 * The log speed-up of a recipe at a point over the baseline's curve, by seed; without seeds that lack a run, or whose
 * baseline diverged.
 */
function speedupsAt(final: StageResults<CurveResult>, recipe: string, point: Point): ReadonlyMap<number, LogSpeedup> {
  const curves = final.get(finalName(baseline.name, point)) ?? [];
  return new Map(
    (final.get(finalName(recipe, point)) ?? []).flatMap((run) => {
      const base = curves.find(({ seed }) => seed === run.seed);
      if (base === undefined || finalLoss(base) === Infinity) return [];
      const curve = {
        images: base.readings.map(({ images }) => images),
        metric: base.readings.map(({ loss }) => loss),
      };
      const metric = finalLoss(run);
      // A diverged run reached nothing: at most as fast as the start of the curve.
      const speedup: LogSpeedup = Number.isFinite(metric)
        ? logSpeedup(curve, { metric, images: run.size.images })
        : { value: Math.log(curve.images[0]! / run.size.images), bound: 'atMost' };
      return [[run.seed, speedup] as const];
    }),
  );
}

export interface Line {
  /** Change of the log speed-up per octave of the axis: mean and 95% interval over seeds. */
  readonly slope: ConfidenceInterval;
  /**
   * Log speed-up of one run two octaves beyond the last point: mean and 95% predictive interval over seeds, for a straight
   * line.
   */
  readonly beyond: ConfidenceInterval;
}

export interface Trend {
  /** Seeds that are finished at all points. */
  readonly seeds: number;
  /** Number of speed-ups of which only a bound is known. */
  readonly bounds: number;
  /** Undefined if one of the speed-ups is only a bound. */
  readonly line?: Line;
}

/** Octaves beyond the last point for which a speed-up is predicted. */
export const BEYOND = 2;

/** A least-squares line per seed through the log speed-ups at all points; undefined with fewer than two whole seeds. */
export function trendOf(
  final: StageResults<CurveResult>,
  recipe: string,
  axis: Axis,
  points: readonly Point[],
): Trend | undefined {
  const bySeed = points.map((point) => speedupsAt(final, recipe, point));
  const seeds = [...(bySeed[0]?.keys() ?? [])].filter((seed) => bySeed.every((speedups) => speedups.has(seed)));
  if (points.length < 2 || seeds.length < 2) return undefined;
  const bounds = bySeed.flatMap((speedups) => seeds.filter((seed) => speedups.get(seed)!.bound !== undefined)).length;
  if (bounds > 0) return { seeds: seeds.length, bounds };
  const x = points.map((point) => Math.log2(point[axis]));
  const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
  const sxx = x.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const lines = seeds.map((seed) => {
    const y = bySeed.map((speedups) => speedups.get(seed)!.value);
    const slope = y.reduce((sum, value, i) => sum + value * (x[i]! - mean), 0) / sxx;
    const middle = y.reduce((sum, value) => sum + value, 0) / y.length;
    return { slope, beyond: middle + slope * (x.at(-1)! + BEYOND - mean) };
  });
  const beyond = confidenceInterval(lines.map((line) => line.beyond));
  // Half widths: t s / sqrt(n) for the mean, t s sqrt(1 + 1 / n) for one more run.
  const half = (beyond.high! - beyond.mean) * Math.sqrt(seeds.length + 1);
  return {
    seeds: seeds.length,
    bounds,
    line: {
      slope: confidenceInterval(lines.map(({ slope }) => slope)),
      beyond: { ...beyond, low: beyond.mean - half, high: beyond.mean + half },
    },
  };
}

/** A mean log speed-up; an end of the interval is infinite if some of its values are bounds on that side. */
export interface MeanSpeedup {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  readonly n: number;
  readonly bounds: number;
}

/** The mean log speed-up at a point with its interval; undefined with fewer than two runs. */
export function meanSpeedup(final: StageResults<CurveResult>, recipe: string, point: Point): MeanSpeedup | undefined {
  const all = [...speedupsAt(final, recipe, point).values()];
  if (all.length < 2) return undefined;
  const { mean, low, high, n } = confidenceInterval(all.map(({ value }) => value));
  const isOpen = openEnds(all);
  return {
    mean,
    low: isOpen.low ? -Infinity : low!,
    high: isOpen.high ? Infinity : high!,
    n,
    bounds: all.filter(({ bound }) => bound !== undefined).length,
  };
}
