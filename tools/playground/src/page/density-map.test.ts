import { expect, it } from 'vitest';
import { densityOverTraining } from './density-map.js';

it('is 1 for the uniform density', () => {
  const values = densityOverTraining('uniform', 500, 1000).flat();
  expect(Math.max(...values)).toBeCloseTo(1, 12);
  expect(Math.min(...values)).toBeCloseTo(1, 12);
});

it('starts uniform with CLTS, and ends with 0.2 + 0.8 g at pure noise, in the first row', () => {
  const map = densityOverTraining('clts', 500, 1000);
  expect(map[0]![0]).toBeCloseTo(1, 12);
  // The Gaussian of CLTS with its defaults: mu 0.3, sigma 0.2, coordinate t / T, lambda 0.8 at the end of the ramp.
  const g = Array.from({ length: 1000 }, (_, t) => Math.exp(-((t / 1000 - 0.3) ** 2) / (2 * 0.2 ** 2)));
  const lambda = (0.8 * 499) / 500;
  const expected = 1 - lambda + (lambda * 1000 * g[999]!) / g.reduce((a, b) => a + b);
  expect(map[0]!.at(-1)).toBeCloseTo(expected, 9);
  expect(map.at(-1)!.at(-1)).toBeGreaterThan(map[0]!.at(-1)!);
});
