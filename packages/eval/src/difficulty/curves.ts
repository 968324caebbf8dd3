import { checkNumber } from '@dm/ops';

/**
 * Centered moving average over `window` values. Near the ends the window shrinks symmetrically.
 * @throws {RangeError} if window is not an odd integer >= 1
 */
export function movingAverage(values: readonly number[], window: number): number[] {
  checkNumber('movingAverage: window', window, 'an odd integer >= 1', (v) => v >= 1 && v % 2 === 1);
  return values.map((_, i) => {
    // Symmetric, so that a falling curve is not shifted.
    const reach = Math.min((window - 1) / 2, i, values.length - 1 - i);
    const part = values.slice(i - reach, i + reach + 1);
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
}

/**
 * The position from which a curve stays at or below `level`, interpolated linearly between the last point above it and
 * the next one. The first position if the curve is never above `level`; null if its last value is.
 */
export function settlingTime(positions: readonly number[], values: readonly number[], level: number): number | null {
  const last = values.findLastIndex((value) => !(value <= level));
  if (last < 0) return positions[0]!;
  if (last === values.length - 1) return null;
  const [above, below] = [values[last]!, values[last + 1]!];
  const share = Number.isFinite(above) ? (above - level) / (above - below) : 1;
  return positions[last]! + share * (positions[last + 1]! - positions[last]!);
}

/**
 * Spearman's rank correlation: Pearson's correlation of the ranks, with the mean rank for ties. Pairs with a null are
 * ignored. Null if one side is constant or fewer than two pairs remain.
 * @throws {RangeError} if x and y have different lengths
 */
export function spearmanCorrelation(x: readonly (number | null)[], y: readonly (number | null)[]): number | null {
  if (x.length !== y.length)
    throw new RangeError(`spearmanCorrelation: x has ${x.length} values, y has ${y.length}; they must match.`);
  const pairs = x.flatMap((value, i) => (value === null || y[i] === null ? [] : [[value, y[i]!] as const]));
  const [a, b] = [ranks(pairs.map(([value]) => value)), ranks(pairs.map(([, value]) => value))];
  const middle = (pairs.length + 1) / 2;
  const product = (u: readonly number[], v: readonly number[]) =>
    u.reduce((sum, value, i) => sum + (value - middle) * (v[i]! - middle), 0);
  const scale = Math.sqrt(product(a, a) * product(b, b));
  return scale === 0 ? null : product(a, b) / scale;
}

function ranks(values: readonly number[]): number[] {
  return values.map((value) => {
    const less = values.filter((other) => other < value).length;
    const same = values.filter((other) => other === value).length;
    return less + (same + 1) / 2;
  });
}
