import { normal } from '@dm/core';
import { describe, expect, it } from 'vitest';
import { features, reference } from '../testing/reference.js';
import { frechetDistance } from './frechet.js';
import { frechetInfinity, lineThrough } from './frechet-infinity.js';
import { featureStatistics } from './statistics.js';

const standardNormal = (count: number, dimension: number, index: number) => ({
  values: normal({ seed: 1, stream: 'probe', index }, count * dimension),
  dimension,
});

describe('frechetInfinity', () => {
  it('fits the line of scikit-learn to distances of SciPy', () => {
    const { counts, distances, intercept, slope } = reference.infinity;
    const real = featureStatistics(features(300, 8, 1));
    const generated = features(400, 8, 2, { shift: 0.1 });
    counts.forEach((n, k) => {
      const first = featureStatistics({ values: generated.values.subarray(0, n * 8), dimension: 8 });
      expect(Math.abs(frechetDistance(real, first).distance / distances[k]! - 1)).toBeLessThan(1e-6);
    });
    const line = lineThrough(
      counts.map((n) => 1 / n),
      distances,
    );
    expect(line.intercept).toBeCloseTo(intercept, 12);
    expect(line.slope).toBeCloseTo(slope, 9);
  });

  it('takes most of the bias away that finite samples of the same Gaussian have', () => {
    const dimension = 16;
    const exact = {
      count: 1e6,
      dimension,
      mean: new Float64Array(dimension),
      covariance: Float64Array.from({ length: dimension ** 2 }, (_, i) => Number(i % (dimension + 1) === 0)),
    };
    const generated = standardNormal(1000, dimension, 1);
    const biased = frechetDistance(exact, featureStatistics(generated)).distance;
    const { distance, slope, points, warnings } = frechetInfinity(exact, generated, { smallest: 200 });
    // E|mean|^2 = d / N, and about d (d + 1) / (4 N) from the covariance: (16 + 68) / N.
    expect(slope).toBeGreaterThan(50);
    expect(slope).toBeLessThan(120);
    expect(Math.abs(distance)).toBeLessThan(biased / 3);
    expect(points.map(({ count }) => count)).toEqual([
      200, 257, 314, 371, 428, 485, 542, 600, 657, 714, 771, 828, 885, 942, 1000,
    ]);
    expect(points.at(-1)!.distance).toBeCloseTo(biased, 10);
    expect(warnings).toEqual([]);
    expect(frechetInfinity(exact, generated, { smallest: 200 }).distance).toBe(distance);
  });

  it('warns if subsets have fewer images than dimensions, and refuses fewer than two points', () => {
    const set = features(40, 12, 1);
    const real = featureStatistics(features(50, 12, 2));
    expect(frechetInfinity(real, set, { smallest: 10, points: 3 }).warnings[0]).toMatch(/10 images for 12 /);
    expect(() => frechetInfinity(real, set, { points: 1 })).toThrowWith({
      type: RangeError,
      contains: ['points', '>= 2', 'got 1'],
    });
    expect(() => frechetInfinity(real, set, { smallest: 40 })).toThrowWith({
      type: RangeError,
      contains: ['smallest', '2 to 39', 'got 40'],
    });
  });
});
