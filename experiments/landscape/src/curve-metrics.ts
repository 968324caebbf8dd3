/** Metrics of the shape of a curve. */

export interface Curve {
  /** Positions, ascending. */
  readonly at: readonly number[];
  readonly loss: readonly number[];
}

/**
 * Maximum distance of a curve above its lower convex hull, divided by its height: 0 for a convex or constant curve,
 * close to 1 for one with a single peak.
 */
export function convexityGap({ at, loss }: Curve): number {
  const height = Math.max(...loss) - Math.min(...loss);
  if (height === 0) return 0;
  // Andrew's monotone chain: indices of the hull, from left to right.
  const hull: number[] = [];
  for (const i of at.keys()) {
    while (hull.length > 1 && isAbove(hull.at(-2)!, hull.at(-1)!, i)) hull.pop();
    hull.push(i);
  }
  let [gap, side] = [0, 0];
  for (const i of at.keys()) {
    while (side < hull.length - 2 && hull[side + 1]! < i) side++;
    gap = Math.max(gap, loss[i]! - chord(hull[side]!, hull[side + 1]!, at[i]!));
  }
  return gap / height;

  /** Whether point `b` is on or above the line from `a` to `c`. */
  function isAbove(a: number, b: number, c: number): boolean {
    return loss[b]! >= chord(a, c, at[b]!);
  }

  function chord(a: number, c: number, x: number): number {
    const share = (x - at[a]!) / (at[c]! - at[a]!);
    return (1 - share) * loss[a]! + share * loss[c]!;
  }
}
