/** Speed-ups at each point, and how they change along an axis. */
import {
  confidenceInterval,
  fitSpeedups,
  holm,
  logSpeedup,
  passesGate,
  pValue,
  type ConfidenceInterval,
  type CurveResult,
  type LogSpeedup,
  type SpeedupEstimate,
  type StageResults,
} from '@dm/experiments';
import { BASELINE_LENGTH, baseline, failedAt, finalName, recipes, type Axis, type Point } from './trial.js';

type Finals = StageResults<CurveResult>;

/** The Wiener filter's loss on the same images: in each noise range, and its geometric mean. */
export interface Wiener {
  readonly geometricMean: number;
  readonly buckets: readonly (number | null)[];
}

const runsOf = (final: Finals, name: string, point: Point) => final.get(finalName(name, point)) ?? [];

/** Seeds with which all recipes are trained at all of these points. */
function wholeSeeds(final: Finals, points: readonly Point[]): number[] {
  const runs = points.flatMap((point) => [baseline, ...recipes].map(({ name }) => runsOf(final, name, point)));
  const seeds = runs[0]?.map(({ seed }) => seed) ?? [];
  return seeds.filter((seed) => runs.every((list) => list.some((run) => run.seed === seed)));
}

/** The log speed-ups over the baseline's curve of the same seed at a point, by recipe, with `seeds` in order. */
function speedupsAt(
  final: Finals,
  point: Point,
  seeds: readonly number[],
  wiener?: Wiener,
): Readonly<Record<string, readonly LogSpeedup[]>> {
  const runOf = (name: string, seed: number) => runsOf(final, name, point).find((run) => run.seed === seed)!;
  return Object.fromEntries(
    recipes.map(({ name }) => [
      name,
      seeds.map((seed): LogSpeedup => {
        const base = runOf(baseline.name, seed);
        const curve = base.readings.slice(0, failedAt(base, wiener?.geometricMean));
        if (curve.length < 2) return { value: 0, bound: 'unknown' };
        const run = runOf(name, seed);
        const { images } = run.size;
        // A failed run reached nothing: at most as fast as the start of the curve.
        if (failedAt(run, wiener?.geometricMean) !== undefined) {
          return { value: Math.log(curve[0]!.images / images), bound: 'atMost' };
        }
        return logSpeedup(
          { images: curve.map((reading) => reading.images), metric: curve.map(({ loss }) => loss) },
          { metric: run.readings.at(-1)!.loss, images },
        );
      }),
    ]),
  );
}

/** The mean log speed-ups at a point by recipe, with intervals; undefined with fewer than two whole seeds. */
export function speedups(
  final: Finals,
  point: Point,
  wiener?: Wiener,
): Readonly<Record<string, SpeedupEstimate>> | undefined {
  const seeds = wholeSeeds(final, [point]);
  if (seeds.length < 2) return undefined;
  const fit = fitSpeedups(speedupsAt(final, point, seeds, wiener));
  return Object.fromEntries(recipes.map(({ name }) => [name, fit.estimate(name)]));
}

/** Of the baseline after as many steps as the recipes have, over the Wiener filter in each noise range: means over seeds. */
export interface GateRow {
  readonly point: Point;
  readonly ratios: readonly (number | null)[];
  readonly passes: boolean;
}

/** Without baselines that failed; undefined if there is none that reached the length of the recipes. */
export function gateAt(final: Finals, point: Point, { buckets, geometricMean }: Wiener): GateRow | undefined {
  const sound = runsOf(final, baseline.name, point).filter((run) => failedAt(run, geometricMean) === undefined);
  const readings = sound.flatMap(
    (run) => run.readings.find(({ images }) => images === run.size.images / BASELINE_LENGTH) ?? [],
  );
  if (readings.length === 0) return undefined;
  const ratios = buckets.map((wiener, i) =>
    wiener === null ? null : readings.reduce((sum, reading) => sum + reading.buckets[i]!, 0) / readings.length / wiener,
  );
  return { point, ratios, passes: passesGate(ratios) };
}

export interface Line {
  /** Change of the log speed-up per octave of the axis: mean and 95% interval. */
  readonly slope: SpeedupEstimate;
  /**
   * p-value of no change, adjusted by Holm's method over all recipes and axes, of which a bound counts as 1; undefined if
   * only a bound is known.
   */
  readonly adjustedP?: number;
  /** Of three points: the slope between the last two minus the one between the first two, which is 0 for a straight line. */
  readonly bend?: SpeedupEstimate;
  /**
   * Log speed-up two octaves beyond the last point: the mean and a 95% interval for the line of one more seed; undefined if
   * only a bound is known.
   */
  readonly beyond?: ConfidenceInterval;
}

export interface Trend {
  readonly axis: Axis;
  /** Seeds with which all recipes are trained at all points. */
  readonly seeds: readonly number[];
  /** Points at which the baseline passes the gate, if there is one: the others are left out. */
  readonly points: readonly Point[];
  /** By recipe; undefined with fewer than two points or seeds. */
  readonly lines?: Readonly<Record<string, Line>>;
  /**
   * Slope of CLTS with momentum decay minus the linear decay's, paired by seed; undefined if only a bound of one of them is
   * known.
   */
  readonly overDecay?: ConfidenceInterval;
}

/** Octaves beyond the last point for which a speed-up is predicted. */
export const BEYOND = 2;

/**
 * Lines through the log speed-ups against the logarithm of each axis, one per recipe and seed, by least squares.
 * Without `wiener`, all points count.
 */
export function trendsOf(
  final: Finals,
  pointsOf: Readonly<Record<Axis, readonly Point[]>>,
  wiener?: Wiener,
): readonly Trend[] {
  const axes = Object.keys(pointsOf) as Axis[];
  const trends = axes.map((axis) => trendOf(final, axis, pointsOf[axis], wiener));
  const tests = trends.flatMap(({ lines }, axis) =>
    recipes.map(({ name }) => {
      const slope = lines?.[name]?.slope;
      return { axis, name, p: slope === undefined || slope.bounds > 0 ? 1 : pValue(slope) };
    }),
  );
  const adjusted = holm(tests.map(({ p }) => p));
  const adjustedOf = (axis: number, name: string) =>
    adjusted[tests.findIndex((test) => test.axis === axis && test.name === name)]!;
  return trends.map((trend, axis) => ({
    ...trend,
    ...(trend.lines && {
      lines: Object.fromEntries(
        Object.entries(trend.lines).map(([name, line]) => [
          name,
          line.slope.bounds > 0 ? line : { ...line, adjustedP: adjustedOf(axis, name) },
        ]),
      ),
    }),
  }));
}

function trendOf(final: Finals, axis: Axis, all: readonly Point[], wiener?: Wiener): Trend {
  const seeds = wholeSeeds(final, all);
  const points = all.filter((point) => wiener === undefined || gateAt(final, point, wiener)?.passes === true);
  if (points.length < 2 || seeds.length < 2) return { axis, seeds, points };
  const atPoints = points.map((point) => speedupsAt(final, point, seeds, wiener));
  const x = points.map((point) => Math.log2(point[axis]));
  const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
  const sxx = x.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const combined = (weights: readonly number[]) =>
    Object.fromEntries(
      recipes.map(({ name }) => [
        name,
        seeds.map((_, seed) =>
          combination(
            weights,
            atPoints.map((at) => at[name]![seed]!),
          ),
        ),
      ]),
    );
  const slopeWeights = x.map((value) => (value - mean) / sxx);
  const slopes = combined(slopeWeights);
  const table = fitSpeedups(slopes);
  const [x0, x1, x2] = x as [number, number, number];
  const bends =
    points.length === 3 && fitSpeedups(combined([1 / (x1 - x0), -1 / (x1 - x0) - 1 / (x2 - x1), 1 / (x2 - x1)]));
  const beyond = combined(slopeWeights.map((weight) => 1 / x.length + weight * (x.at(-1)! + BEYOND - mean)));
  const overDecay = pairedDifference(slopes['clts-mdlrc']!, slopes['linear']!);
  return {
    axis,
    seeds,
    points,
    lines: Object.fromEntries(
      recipes.map(({ name }) => {
        const predicted = predictionInterval(beyond[name]!);
        return [
          name,
          {
            slope: table.estimate(name),
            ...(bends !== false && { bend: bends.estimate(name) }),
            ...(predicted !== undefined && { beyond: predicted }),
          },
        ];
      }),
    ),
    ...(overDecay !== undefined && { overDecay }),
  };
}

/** Weights that are 0 but for rounding errors do not let a bound through. */
const negligible = 1e-9;

/** A weighted sum of log speed-ups: a bound of one is a bound of the sum, of the other kind if its weight is negative. */
export function combination(weights: readonly number[], values: readonly LogSpeedup[]): LogSpeedup {
  const value = values.reduce((sum, one, i) => sum + one.value * weights[i]!, 0);
  const bounds = new Set(
    values.flatMap(({ bound }, i) => {
      if (bound === undefined || Math.abs(weights[i]!) < negligible) return [];
      if (bound === 'unknown' || weights[i]! > 0) return [bound];
      return [bound === 'atLeast' ? ('atMost' as const) : ('atLeast' as const)];
    }),
  );
  if (bounds.size === 0) return { value };
  const [first] = bounds;
  return { value, bound: bounds.size === 1 ? first! : 'unknown' };
}

/** Mean of a - b with its 95% interval; undefined if one is a bound. */
function pairedDifference(a: readonly LogSpeedup[], b: readonly LogSpeedup[]): ConfidenceInterval | undefined {
  if ([...a, ...b].some(({ bound }) => bound !== undefined)) return undefined;
  return confidenceInterval(a.map(({ value }, i) => value - b[i]!.value));
}

/** Mean and 95% interval for one more value; undefined if one is a bound. */
function predictionInterval(values: readonly LogSpeedup[]): ConfidenceInterval | undefined {
  if (values.some(({ bound }) => bound !== undefined)) return undefined;
  const found = confidenceInterval(values.map(({ value }) => value));
  // Half widths: t s / sqrt(n) for the mean, t s sqrt(1 + 1 / n) for one more.
  const half = (found.high! - found.mean) * Math.sqrt(values.length + 1);
  return { ...found, low: found.mean - half, high: found.mean + half };
}
