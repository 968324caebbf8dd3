/** Estimates of ratios, such as speed-ups, as text. */
import type { Interval } from '../statistics/recipe-table.js';

const twoDecimals = (ratio: number): string => ratio.toFixed(2);

/**
 * Formats an estimate of the logarithm of a ratio as the ratio, as in `3.10 [2.80, 3.40]`. If an end of the interval is
 * open, the estimate is a bound, as in `at least 3.10 [2.80, no upper end]`; if both are, it is `unknown`.
 */
export function formatLogRatio(
  { value, low, high }: Pick<Interval, 'value' | 'low' | 'high'>,
  formatRatio: (ratio: number) => string = twoDecimals,
): string {
  const text = (log: number) => formatRatio(Math.exp(log));
  if (low === -Infinity && high === Infinity) return 'unknown';
  if (high === Infinity) return `at least ${text(value)} [${text(low)}, no upper end]`;
  if (low === -Infinity) return `at most ${text(value)} [no lower end, ${text(high)}]`;
  return `${text(value)} [${text(low)}, ${text(high)}]`;
}
