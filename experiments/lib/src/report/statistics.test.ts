import { describe, expect, it } from 'vitest';
import { firstReach, interval, intervalText } from './statistics.js';

describe('interval', () => {
  it("is Student's 95 % interval", () => {
    // scipy.stats.t.interval(.95, 2, loc=2, scale=1/sqrt(3)) = (-0.4841377, 4.4841377).
    const { mean, low, high, n } = interval([1, 2, 3]);
    expect([mean, n]).toEqual([2, 3]);
    expect(low).toBeCloseTo(-0.4841377, 3);
    expect(high).toBeCloseTo(4.4841377, 3);
  });

  it('has no bounds for one value, and refuses none', () => {
    expect(interval([5])).toEqual({ mean: 5, n: 1 });
    expect(() => interval([])).toThrow(/0 values/);
    expect(intervalText(interval([0.25]))).toBe('0.250');
  });
});

describe('firstReach', () => {
  it('is linear between points, the first crossing counts', () => {
    expect(firstReach([100, 200, 300], [3, 1, 2], 2)).toBe(150);
    expect(firstReach([100, 200, 300, 400], [3, 1, 2, 0], 1)).toBe(200);
  });

  it('is the first point where that is low enough, and nothing where none is', () => {
    expect(firstReach([100, 200], [1, 0], 2)).toBe(100);
    expect(firstReach([100, 200], [3, 2.5], 2)).toBeUndefined();
  });
});
