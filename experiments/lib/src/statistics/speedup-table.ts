/** The log speed-ups of several recipes, paired by seed: estimates, intervals, bounds, and power. */
import { openEnds, type LogSpeedup } from './log-speedup.js';
import {
  fitRecipeTable,
  interval,
  recipeDifference,
  recipeMean,
  type Interval,
  type RecipeTable,
} from './recipe-table.js';
import { noncentralTCdf, tQuantile } from './student-t.js';

export interface SpeedupEstimate extends Interval {
  /** Seeds of which only a bound is known, or nothing. */
  readonly bounds: number;
}

export interface SpeedupTable {
  /** The recipes whose speed-up is known for all seeds determine the variances, or all if there are none. */
  readonly fit: RecipeTable;
  /** The mean log speed-up of a recipe, with its interval. */
  estimate(recipe: string, level?: number): SpeedupEstimate;
  /**
   * The log speed-up of `a` over `b`; undefined if only a bound is known of one of them.
   */
  difference(a: string, b: string, level?: number): Interval | undefined;
}

/**
 * Fits the log speed-ups of all recipes, by name, each with the same seeds in the same order. A seed of which only a lower
 * bound is known counts with that bound, and the interval of its recipe has no upper end (and the other way round).
 *
 * @throws {RangeError} if there are fewer than two seeds, if seeds are missing, or if the name of a recipe is unknown
 */
export function fitSpeedups(speedups: Readonly<Record<string, readonly LogSpeedup[]>>): SpeedupTable {
  const names = Object.keys(speedups);
  const seeds = speedups[names[0]!]?.length ?? 0;
  const missing = names.filter((name) => speedups[name]!.length !== seeds);
  if (missing.length > 0) throw new RangeError(`${missing.join(', ')}: expected ${seeds} seeds.`);
  // A seed of which nothing is known for any recipe, since its baseline diverged, opens all intervals, and has no part in
  // means and variances.
  const useful = Array.from({ length: seeds }, (_, i) => i).filter((i) =>
    names.some((name) => speedups[name]![i]!.bound !== 'unknown'),
  );
  const used = (name: string) => (useful.length < 2 ? speedups[name]! : useful.map((i) => speedups[name]![i]!));
  const known = names.filter((name) => used(name).every(({ bound }) => bound === undefined));
  const fit = fitRecipeTable((known.length > 0 ? known : names).map((name) => used(name).map(({ value }) => value)));
  const find = (name: string) => {
    const found = speedups[name];
    if (found === undefined) throw new RangeError(`Unknown recipe ${name}. Known: ${names.join(', ')}.`);
    return found;
  };
  return {
    fit,
    estimate(name, level) {
      const values = find(name);
      const value = used(name).reduce((sum, one) => sum + one.value, 0) / used(name).length;
      const found = interval({ ...recipeMean(fit, 0), value }, level);
      const isOpen = openEnds(values);
      return {
        ...found,
        low: isOpen.low ? -Infinity : found.low,
        high: isOpen.high ? Infinity : found.high,
        bounds: values.filter(({ bound }) => bound !== undefined).length,
      };
    },
    difference(a, b, level) {
      for (const name of [a, b]) find(name);
      const [i, j] = [known.indexOf(a), known.indexOf(b)];
      return i < 0 || j < 0 || useful.length < seeds ? undefined : interval(recipeDifference(fit, i, j), level);
    },
  };
}

/**
 * Probability that the lower end of the interval exceeds `above`, if the log speed-up is `actual`: the power of a
 * one-sample t test with the standard error `standardError` on `df` degrees of freedom.
 */
export function power(options: {
  readonly actual: number;
  readonly above: number;
  readonly standardError: number;
  readonly df: number;
  /** Default: 0.95. */
  readonly level?: number;
}): number {
  const { actual, above, standardError, df, level = 0.95 } = options;
  return 1 - noncentralTCdf(tQuantile((1 + level) / 2, df), df, (actual - above) / standardError);
}
