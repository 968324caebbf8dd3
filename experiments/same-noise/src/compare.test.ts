import { expect, it } from 'vitest';
import { similarity, summary, withoutLabelMeans, withoutProjections, type Rows } from './compare.js';

const rows = (...values: number[]): Rows => ({ values: Float32Array.from(values), dimension: 2 });

it('subtracts the mean of each label', () => {
  const { values } = withoutLabelMeans(rows(1, 2, 10, 20, 3, 6), [0, 1, 0]);
  expect([...values]).toEqual([-1, -2, 0, 0, 1, 2]);
});

it('removes projections row by row', () => {
  const { values } = withoutProjections(rows(3, 4, 1, 1), [rows(2, 0, 1, -1)]);
  expect([...values]).toEqual([0, 4, 1, 1]);
  const [x, g, h] = [
    [3, 4, 5],
    [1, 1, 0],
    [1, 0, 0],
  ].map((row) => ({ values: Float32Array.from(row), dimension: 3 }));
  expect([...withoutProjections(x!, [g!, h!]).values]).toEqual([0, 0, 5]);
});

it('compares images of one label from the same noise and from other noises', () => {
  // The first three have the label 0. The first image of b is the nearest to a's; the second is farther than the third.
  const a = rows(1, 0, 0, 1, 1, 1, 5, 5, -5, 5);
  const b = rows(2, 0, 1, 0, 0, 3, 1, 1, -1, 1);
  const { same, found } = similarity(a, b, [0, 0, 0, 1, 1]);
  const half = Math.SQRT1_2;
  for (const [i, expected] of [1, 0, half, 1, 1].entries()) expect(same[i]).toBeCloseTo(expected, 12);
  expect([...found]).toEqual([0, 0, 0, 1, 1]);
});

it('averages over pairs and noises, with the range of the pairs', () => {
  const { mean, low, high, least, most } = summary([Float64Array.of(0, 1, 2, 3), Float64Array.of(2, 3, 4, 5)]);
  expect([mean, least, most]).toEqual([2.5, 1.5, 3.5]);
  // Values 1, 2, 3, 4: the standard error is 0.56.
  expect(low).toBeGreaterThan(1.2);
  expect(low).toBeLessThan(1.8);
  expect(high).toBeGreaterThan(3.2);
  expect(high).toBeLessThan(3.8);
});
