import { describe, expect, it } from 'vitest';
import { convexityGap } from './curve-metrics.js';

const curve = (of: (x: number) => number, from = -1, to = 1, points = 21) => {
  const at = Array.from({ length: points }, (_, i) => from + (i * (to - from)) / (points - 1));
  return { at, loss: at.map(of) };
};

describe('convexityGap', () => {
  it('is 0 for convex curves at any scale', () => {
    for (const scale of [1, 1000]) expect(convexityGap(curve((x) => scale * x ** 4))).toBeCloseTo(0, 12);
    expect(convexityGap(curve((x) => 3 * x + 1))).toBeCloseTo(0, 12);
    expect(convexityGap(curve(() => 2))).toBe(0);
  });

  it('is the height of a peak above the chord below it, divided by the height of the curve', () => {
    expect(convexityGap({ at: [0, 1, 2, 3], loss: [0, 4, 0, 4] })).toBe(1);
    // The hull of 1 - x^2 is the flat line at 0.
    expect(convexityGap(curve((x) => 1 - x * x))).toBeCloseTo(1, 12);
    // x^4 - x^2 has its hull at -1/4 between the minima, and goes up to 0 on both sides and in the middle.
    expect(convexityGap(curve((x) => x ** 4 - x ** 2, -1, 1, 2001))).toBeCloseTo(1, 3);
    // Saturating at both ends, as a loss far from its minimum may: over the chord from the vertex (-t, t^2) to the end.
    const plateau = convexityGap(curve((x) => Math.min(x * x, 0.25)));
    expect(plateau).toBeGreaterThan(0.2);
    expect(plateau).toBeLessThan(0.6);
  });
});
