import { expect, it } from 'vitest';
import { spread } from './spread.js';

it("agrees with NumPy's quantiles", () => {
  // numpy.quantile([7, 1, 4, 10, 2, 3], [0.5, 0.25, 0.75]) = [3.5, 2.25, 6.25]
  expect(spread([7, 1, 4, 10, 2, 3])).toEqual({ median: 3.5, q1: 2.25, q3: 6.25, min: 1, max: 10 });
  expect(spread([5])).toEqual({ median: 5, q1: 5, q3: 5, min: 5, max: 5 });
});

it('refuses an empty list', () => {
  expect(() => spread([])).toThrow(RangeError);
});
