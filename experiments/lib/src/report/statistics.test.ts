import { describe, expect, it } from 'vitest';
import { confidenceInterval, firstCrossing, formatInterval, geometricInterval } from './statistics.js';

describe('confidenceInterval', () => {
  it("is Student's 95% interval", () => {
    // scipy.stats.t.interval(.95, 2, loc=2, scale=1/sqrt(3)) = (-0.4841377, 4.4841377).
    const { mean, low, high, n } = confidenceInterval([1, 2, 3]);
    expect([mean, n]).toEqual([2, 3]);
    expect(low).toBeCloseTo(-0.4841377, 6);
    expect(high).toBeCloseTo(4.4841377, 6);
  });

  it('has no bounds for one value, and throws if there are no values', () => {
    expect(confidenceInterval([5])).toEqual({ mean: 5, n: 1 });
    expect(() => confidenceInterval([])).toThrow(/0 values/);
    expect(formatInterval(confidenceInterval([0.25]))).toBe('0.250');
  });
});

it("geometricInterval is Student's 95% interval of the logarithms", () => {
  // numpy.exp of the interval above.
  const { mean, low, high, n } = geometricInterval([1, 2, 3]);
  expect(mean).toBeCloseTo(Math.exp(2), 12);
  expect(low).toBeCloseTo(Math.exp(-0.4841377), 6);
  expect(Math.log(high!)).toBeCloseTo(4.4841377, 6);
  expect(n).toBe(3);
  expect(geometricInterval([0])).toEqual({ mean: 1, n: 1 });
});

describe('firstCrossing', () => {
  it('interpolates linearly and returns the first crossing', () => {
    expect(firstCrossing([100, 200, 300], [3, 1, 2], 2)).toBe(150);
    expect(firstCrossing([100, 200, 300, 400], [3, 1, 2, 0], 1)).toBe(200);
  });

  it('returns the first point if it is low enough, and undefined if no point is', () => {
    expect(firstCrossing([100, 200], [1, 0], 2)).toBe(100);
    expect(firstCrossing([100, 200], [3, 2.5], 2)).toBeUndefined();
  });
});
