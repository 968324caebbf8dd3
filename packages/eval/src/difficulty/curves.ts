import { checkNumber } from '@dm/ops';

/**
 * A centered mean over `window` values, an odd number; nearer to the ends over as many as there are on both sides.
 * @throws {RangeError} on another window
 */
export function movingAverage(values: readonly number[], window: number): number[] {
  checkNumber('movingAverage: window', window, 'an odd integer >= 1', (v) => v >= 1 && v % 2 === 1);
  return values.map((_, i) => {
    // Symmetric, so that a falling curve is not moved.
    const reach = Math.min((window - 1) / 2, i, values.length - 1 - i);
    const part = values.slice(i - reach, i + reach + 1);
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
}

/**
 * Where a curve comes below `level` to stay: linear between the last point above it and the one after. The first
 * position where it never is above; null where its last value is.
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
 * Spearman's rank correlation: Pearson's of the ranks, ties sharing their mean rank. Null where one side is all the
 * same or fewer than two pairs have numbers on both sides; pairs with a null are left out.
 * @throws {RangeError} if x and y have different lengths
 */
export function spearmanCorrelation(x: readonly (number | null)[], y: readonly (number | null)[]): number | null {
  if (x.length !== y.length) throw new RangeError(`${x.length} and ${y.length} values are no pairs.`);
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
