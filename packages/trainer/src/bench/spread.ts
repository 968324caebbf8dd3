/** Summary statistics of a list of timings. */
export interface Spread {
  readonly median: number;
  /** First and third quartile. */
  readonly q1: number;
  readonly q3: number;
  readonly min: number;
  readonly max: number;
}

/**
 * Quantiles by linear interpolation between sorted values (NumPy's default).
 *
 * @throws {RangeError} if the list is empty
 */
export function spread(values: readonly number[]): Spread {
  if (values.length === 0) throw new RangeError('spread: the list is empty');
  const sorted = values.toSorted((a, b) => a - b);
  const quantile = (q: number): number => {
    const place = q * (sorted.length - 1);
    const below = Math.floor(place);
    const above = Math.min(below + 1, sorted.length - 1);
    return sorted[below]! + (sorted[above]! - sorted[below]!) * (place - below);
  };
  return { median: quantile(0.5), q1: quantile(0.25), q3: quantile(0.75), min: sorted[0]!, max: sorted.at(-1)! };
}
