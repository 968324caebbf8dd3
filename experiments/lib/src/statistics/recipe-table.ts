/** Intervals and tests for a table of values, recipes x seeds. */
import { tCdf, tQuantile } from './student-t.js';

/**
 * Least squares for value = recipe + seed + residual, with random seed effects: values of the same seed share the noise of
 * the baseline's curve that they are compared with.
 */
export interface RecipeTable {
  readonly seeds: number;
  /** Mean of each recipe. */
  readonly means: readonly number[];
  /** Variance of the residuals, with (recipes - 1)(seeds - 1) degrees of freedom; 0 if there is one recipe. */
  readonly residualVariance: number;
  /** Variance between the means of the seeds x recipes, with seeds - 1 degrees of freedom. */
  readonly seedVariance: number;
}

export interface Estimate {
  readonly value: number;
  readonly standardError: number;
  /** Degrees of freedom of `standardError`. */
  readonly df: number;
}

export interface Interval extends Estimate {
  readonly low: number;
  readonly high: number;
}

/**
 * Fits the table `values[recipe][seed]`.
 *
 * @throws {RangeError} if there are no recipes or fewer than two seeds, or if a recipe lacks a seed
 */
export function fitRecipeTable(values: readonly (readonly number[])[]): RecipeTable {
  const [recipes, seeds] = [values.length, values[0]?.length ?? 0];
  if (recipes < 1 || seeds < 2 || values.some((row) => row.length !== seeds)) {
    throw new RangeError(
      `A table needs recipes, each with the same two or more seeds: got rows of ${values.map((row) => row.length).join(', ') || 'no'} seeds.`,
    );
  }
  const means = values.map(mean);
  const seedMeans = Array.from({ length: seeds }, (_, seed) => mean(values.map((row) => row[seed]!)));
  const grand = mean(means);
  let residuals = 0;
  for (const [recipe, row] of values.entries()) {
    for (const [seed, value] of row.entries()) residuals += (value - means[recipe]! - seedMeans[seed]! + grand) ** 2;
  }
  const between = seedMeans.reduce((sum, value) => sum + (value - grand) ** 2, 0);
  return {
    seeds,
    means,
    residualVariance: recipes === 1 ? 0 : residuals / ((recipes - 1) * (seeds - 1)),
    seedVariance: (recipes * between) / (seeds - 1),
  };
}

/**
 * The mean of a recipe. Its variance contains the seeds' variance; the two mean squares are combined as in Satterthwaite
 * 1946.
 */
export function recipeMean(table: RecipeTable, recipe: number): Estimate {
  const { means, seeds, residualVariance, seedVariance } = table;
  const others = means.length - 1;
  const [ofSeeds, ofResiduals] = [seedVariance / means.length, (others * residualVariance) / means.length];
  const ofMeanSquares = ofSeeds ** 2 + (others === 0 ? 0 : ofResiduals ** 2 / others);
  const df = ofMeanSquares === 0 ? seeds - 1 : ((seeds - 1) * (ofSeeds + ofResiduals) ** 2) / ofMeanSquares;
  return { value: means[recipe]!, standardError: Math.sqrt((ofSeeds + ofResiduals) / seeds), df };
}

/** The difference of two recipes, in which the effects of the seeds cancel. */
export function recipeDifference({ means, seeds, residualVariance }: RecipeTable, a: number, b: number): Estimate {
  return {
    value: means[a]! - means[b]!,
    standardError: Math.sqrt((2 * residualVariance) / seeds),
    df: (means.length - 1) * (seeds - 1),
  };
}

/** Two-sided confidence interval (Student's t). `level` is in (0, 1). */
export function interval(estimate: Estimate, level = 0.95): Interval {
  const half = tQuantile((1 + level) / 2, estimate.df) * estimate.standardError;
  return { ...estimate, low: estimate.value - half, high: estimate.value + half };
}

/** Two-sided p-value of the hypothesis that the estimated quantity is `expected`. */
export function pValue({ value, standardError, df }: Estimate, expected = 0): number {
  return 2 * tCdf(-Math.abs(value - expected) / standardError, df);
}

/** p-values adjusted for multiplicity by Holm's method (Holm 1979), in the order of `values`. */
export function holm(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).toSorted((a, b) => values[a]! - values[b]!);
  const adjusted = [...values];
  let largest = 0;
  for (const [rank, i] of order.entries()) {
    largest = Math.max(largest, Math.min(1, (values.length - rank) * values[i]!));
    adjusted[i] = largest;
  }
  return adjusted;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
