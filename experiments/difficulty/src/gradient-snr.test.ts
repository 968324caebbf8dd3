import { normalBatch } from '@dm/core';
import { expect, it } from 'vitest';
import { gradientSnr } from './gradient-snr.js';

it('the ratio of gradients whose mean and variance are known by hand', () => {
  // Means 2 and 0; sample variances 2 and 8; signal 4 - 10 / 2.
  expect(
    gradientSnr([
      [1, 2],
      [3, -2],
    ]),
  ).toBeCloseTo(-0.1, 12);
  expect(gradientSnr([[10], [12], [14]])).toBeCloseTo((144 - 4 / 3) / 4, 12);
});

it('is unbiased: about 0 without signal, and the ratio of the population with it', () => {
  const draw = (signal: number) => {
    const indices = Array.from({ length: 8 }, (_, i) => i);
    const { data } = normalBatch({ seed: 2, stream: 'evaluation', indices }, [20_000]);
    return gradientSnr(indices.map((k) => Array.from(data.subarray(20_000 * k, 20_000 * (k + 1)), (x) => signal + x)));
  };
  expect(draw(0)).toBeCloseTo(0, 2);
  expect(draw(0.5)).toBeCloseTo(0.25, 2);
});

it('refuses a single gradient', () => {
  expect(() => gradientSnr([[1]])).toThrowWith({ type: RangeError, contains: ['1'] });
});
