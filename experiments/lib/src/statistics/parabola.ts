/** The minimum between grid points. */

/**
 * The minimum of the parabola through (-1, `before`), (0, `lowest`), and (1, `after`), in [-1/2, 1/2] if `lowest` is
 * the lowest of the three; 0 if they are not finite or do not curve upward.
 */
export function parabolaMinimum(before: number, lowest: number, after: number): number {
  const curvature = before - 2 * lowest + after;
  return Number.isFinite(curvature) && curvature > 0 ? (before - after) / (2 * curvature) : 0;
}
