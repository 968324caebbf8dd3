/** Numbers for the shape of a curve, none of which depends on the scale of the loss. */

export interface Curve {
  /** Ascending. */
  readonly at: readonly number[];
  readonly loss: readonly number[];
}

/** Sum of all rises of a curve along its way: 0 where it only falls. */
export function totalRise({ loss }: Curve): number {
  return loss.reduce((sum, value, i) => (i === 0 ? 0 : sum + Math.max(0, value - loss[i - 1]!)), 0);
}

/**
 * The largest distance of a curve above its lower convex hull, as a share of its height: 0 for a convex curve, near 1 for
 * one that goes up and comes down again. 0 for a flat one.
 */
export function convexityGap({ at, loss }: Curve): number {
  const height = Math.max(...loss) - Math.min(...loss);
  if (height === 0) return 0;
  // Andrew's monotone chain: points of the hull, from left to right.
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

  /** Whether point `b` lies on the line from `a` to `c` or above it. */
  function isAbove(a: number, b: number, c: number): boolean {
    return loss[b]! >= chord(a, c, at[b]!);
  }

  function chord(a: number, c: number, x: number): number {
    const share = (x - at[a]!) / (at[c]! - at[a]!);
    return (1 - share) * loss[a]! + share * loss[c]!;
  }
}

/** The second derivative in the middle of a slice by differences of its three middle points, which are evenly spaced. */
export function centralCurvature({ at, loss }: Curve): number {
  const m = (at.length - 1) / 2;
  return (loss[m - 1]! - 2 * loss[m]! + loss[m + 1]!) / (at[m + 1]! - at[m]!) ** 2;
}
