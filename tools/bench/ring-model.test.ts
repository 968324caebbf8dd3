import { describe, expect, it } from 'vitest';
import { efficiency, expectedMaximum, ringBytes, ringSeconds } from './ring-model.mjs';

/** 1 GB/s, 10 microseconds. */
const fabric = { rate: 1e9, latency: 1e-5 };

describe('the ring', () => {
  it.each([
    [1, 0],
    [2, 4000],
    [4, 6000],
    [8, 7000],
  ])('of %i ranks sends 2 (N-1)/N of 1000 parameters: %i bytes', (ranks, bytes) => {
    expect(ringBytes(ranks, 1000)).toBe(bytes);
  });

  it('takes the time of its bytes and of the latency of 2 (N-1) steps', () => {
    expect(ringSeconds(fabric, 1, 1e6)).toBe(0);
    // 6 MB at 1 GB/s, and 6 steps of 10 microseconds.
    expect(ringSeconds(fabric, 4, 1e6)).toBeCloseTo(0.006 + 0.00006, 12);
  });

  it('has the latency again for each part of 4194304 parameters', () => {
    expect(ringSeconds({ rate: Infinity, latency: 1e-5 }, 2, 2 ** 22)).toBeCloseTo(2e-5, 12);
    expect(ringSeconds({ rate: Infinity, latency: 1e-5 }, 2, 2 ** 22 + 1)).toBeCloseTo(4e-5, 12);
  });
});

// n = 2 and 3: 1 / sqrt(pi) and 3 / (2 sqrt(pi)). 8: Teichroew 1956, https://doi.org/10.1214/aoms/1177728266, table I.
it.each([
  [1, 0],
  [2, 1 / Math.sqrt(Math.PI)],
  [3, 1.5 / Math.sqrt(Math.PI)],
  [8, 1.423600306],
])('the expected maximum of %i samples is %f', (n, expected) => {
  expect(expectedMaximum(n)).toBeCloseTo(expected, 6);
});

describe('the efficiency', () => {
  const training = { fabric, ranks: 2, parameters: 25e6, stepSeconds: 1, accumulation: 1, jitter: 0 };

  it('is the fraction of a step that is not spent in the exchange', () => {
    // 100 MB at 1 GB/s, and 6 parts of 2 steps of 10 microseconds.
    expect(efficiency(training)).toBeCloseTo(1 / 1.10012, 12);
    expect(efficiency({ ...training, ranks: 1 })).toBe(1);
  });

  it('rises with accumulation, since an exchange follows several micro-batches', () => {
    expect(efficiency({ ...training, accumulation: 4 })).toBeCloseTo(4 / 4.10012, 12);
  });

  it('falls with jitter, since all ranks wait for the slowest', () => {
    const waiting = 0.02 / Math.sqrt(Math.PI);
    expect(efficiency({ ...training, jitter: 0.02 })).toBeCloseTo(1 / (1.10012 + waiting), 8);
    expect(efficiency({ ...training, jitter: 0.02, accumulation: 4 })).toBeCloseTo(4 / (4.10012 + 2 * waiting), 8);
  });
});
