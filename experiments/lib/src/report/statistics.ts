/** Means over few seeds, with intervals. */

export interface ConfidenceInterval {
  readonly mean: number;
  /** Bounds of the 95 % confidence interval; absent for one value. */
  readonly low?: number;
  readonly high?: number;
  readonly n: number;
}

/** Student's t, two-sided 95 %, by degrees of freedom from 1 (NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2). */
const T95 = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262] as const;

/**
 * Mean and Student's interval.
 * @throws {RangeError} on no values, or more than the table has
 */
export function confidenceInterval(values: readonly number[]): ConfidenceInterval {
  const n = values.length;
  if (n < 1 || n > T95.length + 1) throw new RangeError(`interval: ${n} values; there must be 1 to ${T95.length + 1}.`);
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  if (n === 1) return { mean, n };
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  const half = T95[n - 2]! * Math.sqrt(variance / n);
  return { mean, low: mean - half, high: mean + half, n };
}

/** `0.123 [0.120, 0.126]`. */
export function formatInterval({ mean, low, high }: ConfidenceInterval, digits = 3): string {
  const text = (value: number) => value.toPrecision(digits);
  return low === undefined || high === undefined ? text(mean) : `${text(mean)} [${text(low)}, ${text(high)}]`;
}

/**
 * Where a curve first falls to `target`, linear between its points; undefined where it never does. `x` ascends.
 */
export function firstCrossing(x: readonly number[], y: readonly number[], target: number): number | undefined {
  const at = y.findIndex((value) => value <= target);
  if (at < 0) return undefined;
  if (at === 0) return x[0]!;
  const [x0, x1, y0, y1] = [x[at - 1]!, x[at]!, y[at - 1]!, y[at]!];
  return x0 + ((x1 - x0) * (y0 - target)) / (y0 - y1);
}
