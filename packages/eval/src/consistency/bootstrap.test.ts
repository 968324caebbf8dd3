import { normal } from '@dm/core';
import { describe, expect, it } from 'vitest';
import { bootstrapMean } from './bootstrap.js';
import { numbers } from '../testing/reference.js';

const options = { seed: 0, resamples: 2000, confidence: 0.95 };

describe('bootstrapMean', () => {
  it('has the width of the normal approximation if that holds', () => {
    const values = numbers(400, 1);
    const { mean, low, high } = bootstrapMean(values, options);
    const deviation = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length);
    const half = (1.96 * deviation) / Math.sqrt(values.length);
    expect(Math.abs((high - low) / (2 * half) - 1)).toBeLessThan(0.1);
    expect(Math.abs((low + high) / 2 - mean)).toBeLessThan(0.1 * half);
  });

  it('covers the true mean about as often as it claims', () => {
    let covered = 0;
    for (let k = 0; k < 200; k++) {
      const values = Float64Array.from(normal({ seed: k, stream: 'evaluation' }, 60));
      const { low, high } = bootstrapMean(values, { seed: k, resamples: 300, confidence: 0.9 });
      covered += Number(low <= 0 && high >= 0);
    }
    // Binomial(200, .9) has a deviation of 4.2; percentile intervals of 60 values are a little too narrow.
    expect(covered).toBeGreaterThan(163);
    expect(covered).toBeLessThan(196);
  });

  it('narrows with the confidence and collapses for equal values', () => {
    const values = numbers(50, 2);
    const wide = bootstrapMean(values, options);
    const narrow = bootstrapMean(values, { ...options, confidence: 0.5 });
    expect(narrow.high - narrow.low).toBeLessThan(wide.high - wide.low);
    expect(bootstrapMean(new Float64Array(9).fill(0.1), options).low).toBeCloseTo(0.1, 15);
  });
});
