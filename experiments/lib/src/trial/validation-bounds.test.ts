import { linearSchedule } from '@dm/core';
import { createMemoryDataset } from '@dm/data';
import { openEngine } from '@dm/trainer';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { validationBounds } from '../report/bounds.js';
import { computeValidationBounds } from './validation-bounds.js';

let engine: Awaited<ReturnType<typeof openEngine>>;
beforeAll(async () => {
  engine = await openEngine('tfjs-cpu');
});
afterAll(() => engine.dispose());

it('the bounds of two gray levels, by quarter of t', async () => {
  // x is -0.5 or 0.5: variance 1/4 * n / (n - 1), squares 1/4.
  const count = 1000;
  const images = Uint8Array.from({ length: count }, (_, i) => (i % 2 === 0 ? 64 : 191));
  const pairs = createMemoryDataset({ name: 'two levels', images, shape: [1, 1, 1] });
  const { wiener, posteriorMean } = await computeValidationBounds(pairs, pairs, engine);
  const levels = [64, 191].map((byte) => byte / 127.5 - 1);
  const square = levels.reduce((sum, x) => sum + (x - (levels[0]! + levels[1]!) / 2) ** 2, 0) / 2;
  const variance = (square * count) / (count - 1);
  const expected = Array.from(linearSchedule().alphasCumprod, (a) => {
    const snr = a / (1 - a);
    return (snr * (square + snr * variance ** 2)) / (1 + snr * variance) ** 2;
  });
  const meanOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  expect(wiener.loss).toBeCloseTo(meanOf(expected), 8);
  wiener.quarters.forEach((quarter, q) =>
    expect(quarter).toBeCloseTo(meanOf(expected.slice(250 * q, 250 * (q + 1))), 8),
  );
  // No denoiser has a lower expected loss than the posterior mean, and the linear one is as good near pure noise.
  posteriorMean.quarters.forEach((quarter, q) => expect(quarter).toBeLessThan(1.02 * wiener.quarters[q]!));
  expect(posteriorMean.quarters[3]! / wiener.quarters[3]!).toBeCloseTo(1, 1);
});

// tools/parity/bounds_check.py
it('the committed bounds of t in [250, 500) are those of NumPy on 1,200 test images, within their standard error of 2%', () => {
  const { wiener, posteriorMean } = validationBounds();
  expect(Math.abs(wiener.quarters[1]! / 0.0672 - 1)).toBeLessThan(0.04);
  expect(Math.abs(posteriorMean.quarters[1]! / 0.0522 - 1)).toBeLessThan(0.04);
});

// tools/parity/bounds_check.py
it('the committed losses of the Wiener filter in each noise range are those of NumPy with noise drawn, to four standard errors', () => {
  const expected = [
    [0.003563, 1.7e-5],
    [0.01122, 5.2e-5],
    [0.03228, 1.4e-4],
    [0.08089, 3.1e-4],
    [0.1707, 5.7e-4],
    [0.3068, 8.8e-4],
    [0.4761, 1.2e-3],
    [0.6421, 1.5e-3],
    [0.7746, 1.7e-3],
    [0.8629, 1.9e-3],
  ] as const;
  const { wiener } = validationBounds().ranges;
  expect(wiener.buckets).toHaveLength(expected.length);
  for (const [i, [loss, error]] of expected.entries()) {
    expect(Math.abs(wiener.buckets[i]! - loss)).toBeLessThan(4 * error);
  }
});
