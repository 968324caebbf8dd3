/** Means over a few seeds, with confidence intervals. */
import { tQuantile } from '../statistics/student-t.js';

export interface ConfidenceInterval {
  readonly mean: number;
  /** Bounds of the 95% confidence interval; absent if there is only one value. */
  readonly low?: number;
  readonly high?: number;
  readonly n: number;
}

/**
 * Mean and 95% confidence interval (Student's t).
 * @throws {RangeError} if `values` is empty
 */
export function confidenceInterval(values: readonly number[]): ConfidenceInterval {
  const n = values.length;
  if (n < 1) throw new RangeError('confidenceInterval: got 0 values.');
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  if (n === 1) return { mean, n };
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  const half = tQuantile(0.975, n - 1) * Math.sqrt(variance / n);
  return { mean, low: mean - half, high: mean + half, n };
}

/**
 * Geometric mean and 95% interval (Student's t on the logarithms) of values with these natural logarithms.
 * @throws {RangeError} if `logs` is empty
 */
export function geometricInterval(logs: readonly number[]): ConfidenceInterval {
  const { mean, low, high, n } = confidenceInterval(logs);
  return {
    mean: Math.exp(mean),
    n,
    ...(low !== undefined && high !== undefined && { low: Math.exp(low), high: Math.exp(high) }),
  };
}

/** Formats a mean and its interval with `digits` significant digits, as in `0.123 [0.120, 0.126]`. */
export function formatInterval({ mean, low, high }: ConfidenceInterval, digits = 3): string {
  const text = (value: number) => value.toPrecision(digits);
  return low === undefined || high === undefined ? text(mean) : `${text(mean)} [${text(low)}, ${text(high)}]`;
}

/**
 * First x at which a curve, linear between its points, reaches `target`; undefined if it never does. `x` is ascending.
 */
export function firstCrossing(x: readonly number[], y: readonly number[], target: number): number | undefined {
  const at = y.findIndex((value) => value <= target);
  if (at < 0) return undefined;
  if (at === 0) return x[0]!;
  const [x0, x1, y0, y1] = [x[at - 1]!, x[at]!, y[at - 1]!, y[at]!];
  return x0 + ((x1 - x0) * (y0 - target)) / (y0 - y1);
}
