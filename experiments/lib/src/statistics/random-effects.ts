/** Merges estimates of several experiments. */
import type { Estimate } from './recipe-table.js';
import { normalQuantile } from './student-t.js';

/**
 * The random-effects mean of estimates whose true values differ between experiments, with its 95% interval (DerSimonian and
 * Laird 1986, doi:10.1016/0197-2456(86)90046-2). The variance between experiments is estimated by moments.
 *
 * @throws {RangeError} if `estimates` is empty, or a standard error is not positive
 */
export function randomEffects(estimates: readonly Pick<Estimate, 'value' | 'standardError'>[]): {
  readonly value: number;
  readonly standardError: number;
  readonly low: number;
  readonly high: number;
  /** Variance between experiments. */
  readonly between: number;
} {
  if (estimates.length === 0 || estimates.some(({ standardError }) => !(standardError > 0))) {
    throw new RangeError('Random effects need estimates with positive standard errors.');
  }
  const sum = (values: readonly number[]) => values.reduce((total, one) => total + one, 0);
  const values = estimates.map(({ value }) => value);
  const fixed = estimates.map(({ standardError }) => 1 / standardError ** 2);
  const fixedMean = sum(values.map((value, i) => value * fixed[i]!)) / sum(fixed);
  const q = sum(values.map((value, i) => fixed[i]! * (value - fixedMean) ** 2));
  const scale = sum(fixed) - sum(fixed.map((weight) => weight ** 2)) / sum(fixed);
  const between = estimates.length === 1 ? 0 : Math.max(0, (q - (estimates.length - 1)) / scale);
  const weights = estimates.map(({ standardError }) => 1 / (standardError ** 2 + between));
  const value = sum(values.map((one, i) => one * weights[i]!)) / sum(weights);
  const standardError = 1 / Math.sqrt(sum(weights));
  const half = normalQuantile(0.975) * standardError;
  return { value, standardError, low: value - half, high: value + half, between };
}
