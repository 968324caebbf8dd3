import { describe, expect, it } from 'vitest';
import { randomSubset, derangement } from './random.js';

describe('derangement', () => {
  it.each([2, 3, 17, 1000])('of %i is a permutation that leaves nothing in place', (count) => {
    const order = derangement(3, count);
    expect([...order].toSorted((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
    expect(order.findIndex((value, i) => value === i)).toBe(-1);
  });

  it('depends on the seed alone', () => {
    expect(derangement(3, 50)).toEqual(derangement(3, 50));
    expect(derangement(4, 50)).not.toEqual(derangement(3, 50));
    expect(() => derangement(0, 1)).toThrowWith({ type: RangeError, contains: ['at least 2', 'got 1'] });
  });

  it('reaches every other element about equally often', () => {
    const counts = new Uint32Array(5);
    for (let seed = 0; seed < 4000; seed++) counts[derangement(seed, 5)[0]!]!++;
    expect(counts[0]).toBe(0);
    // Chi-square of 4 equal bins, 3 degrees of freedom: above 16.3 in one of 1000 cases.
    const chi2 = [...counts.subarray(1)].reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    expect(chi2).toBeLessThan(16.3);
  });
});

describe('randomSubset', () => {
  it('draws different integers, others for another index', () => {
    const chosen = randomSubset(0, 0, 100, 30);
    expect(new Set(chosen).size).toBe(30);
    expect(Math.max(...chosen)).toBeLessThan(100);
    expect(randomSubset(0, 1, 100, 30)).not.toEqual(chosen);
    expect([...randomSubset(0, 0, 10, 10)].toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });
});
