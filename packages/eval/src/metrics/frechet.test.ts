import { describe, expect, it } from 'vitest';
import { frechetDistance } from './frechet.js';
import { createStatisticsAccumulator, featureStatistics } from './statistics.js';
import { features, numbers, reference } from '../testing/reference.js';

/** Statistics of a Gaussian that is known, with a diagonal covariance. */
function gaussian(mean: number[], variances: number[], count = 1000) {
  const dimension = mean.length;
  const covariance = new Float64Array(dimension * dimension);
  variances.forEach((variance, i) => (covariance[i * dimension + i] = variance));
  return { count, dimension, mean: Float64Array.from(mean), covariance };
}

describe('frechetDistance', () => {
  it.each(reference.frechet)(
    'equals SciPy for $n1 and $n2 images in $d dimensions',
    ({ n1, n2, d, shift, ...expected }) => {
      const a = featureStatistics(features(n1, d, 1));
      const b = featureStatistics(features(n2, d, 2, { shift, scale: 1.1 }));
      const { distance, warnings } = frechetDistance(a, b);
      expect(Math.abs(distance / expected.sqrtm - 1)).toBeLessThan(1e-6);
      expect(Math.abs(distance / expected.eigenvalues - 1)).toBeLessThan(1e-6);
      expect(Math.abs(distance / expected.torchmetrics - 1)).toBeLessThan(1e-6);
      expect(Math.abs(frechetDistance(b, a).distance / distance - 1)).toBeLessThan(1e-7);
      expect(warnings.filter((line) => line.includes('singular')).length).toBe(n1 <= d ? 2 : 0);
    },
  );

  it('is the closed form for two Gaussians with diagonal covariances', () => {
    // |m1 - m2|^2 + sum (sqrt(v1) - sqrt(v2))^2
    const a = gaussian([0, 1, 2], [1, 4, 9]);
    const b = gaussian([1, 1, 0], [4, 4, 1]);
    expect(frechetDistance(a, b)).toEqual({ distance: expect.closeTo(5 + 1 + 0 + 4, 12) as number, warnings: [] });
  });

  it('is 0 for the same set, in another order too', () => {
    const set = features(300, 16, 1);
    const rows = Array.from({ length: 300 }, (_, n) => set.values.slice(n * 16, (n + 1) * 16));
    const shuffled = Float64Array.from(rows.toReversed().flatMap((row) => [...row]));
    const a = featureStatistics(set);
    expect(frechetDistance(a, featureStatistics({ values: shuffled, dimension: 16 })).distance).toBeLessThan(1e-9);
  });

  it('takes constant images, whose covariance is zero', () => {
    const flat = featureStatistics({ values: new Float64Array(40).fill(3), dimension: 4 });
    const { distance, warnings } = frechetDistance(flat, flat);
    expect(distance).toBe(0);
    expect(warnings[0]).toContain('covariance of 10 images');
    // What remains is |m|^2 + tr(C).
    expect(frechetDistance(flat, gaussian([3, 3, 3, 5], [1, 1, 1, 1])).distance).toBeCloseTo(8, 12);
  });

  it('is that of the means for two images and more dimensions', () => {
    // C = v v^T / 2 with v the difference of the two; the same v on both sides leaves |m1 - m2|^2.
    const a = featureStatistics({ values: Float64Array.of(0, 0, 0, 1, 2, 3), dimension: 3 });
    const b = featureStatistics({ values: Float64Array.of(5, 0, 0, 6, 2, 3), dimension: 3 });
    expect(frechetDistance(a, b).distance).toBeCloseTo(25, 6);
  });

  it('names both numbers when there are too few images', () => {
    const few = featureStatistics(features(5, 8, 1));
    const { warnings } = frechetDistance(few, featureStatistics(features(50, 8, 1)));
    expect(warnings).toEqual([expect.stringMatching(/^5 images for 8 .* singular/)]);
  });

  it('refuses other dimensions, and says when a covariance is none', () => {
    expect(() => frechetDistance(gaussian([0], [1]), gaussian([0, 0], [1, 1]))).toThrowWith({
      code: 'EXTRACTOR_MISMATCH',
      contains: ['1 and 2 dimensions'],
    });
    expect(() => frechetDistance(gaussian([0], [NaN]), gaussian([0], [1]))).toThrowWith({ code: 'NOT_FINITE' });
    const { warnings } = frechetDistance(gaussian([0, 0], [1, -0.5]), gaussian([0, 0], [1, 1]));
    expect(warnings[0]).toContain('-5.00e-1');
  });
});

describe('accumulateStatistics', () => {
  it('gives the same in one batch and in many', () => {
    const set = features(101, 6, 1, { shift: 5 });
    const whole = featureStatistics(set);
    const pieces = createStatisticsAccumulator(6);
    for (let n = 0; n < 101; n += 10) pieces.add({ values: set.values.subarray(n * 6, (n + 10) * 6), dimension: 6 });
    const sum = pieces.finish();
    expect(sum.count).toBe(101);
    whole.mean.forEach((value, i) => expect(sum.mean[i]).toBeCloseTo(value, 12));
    whole.covariance.forEach((value, i) => expect(sum.covariance[i]).toBeCloseTo(value, 12));
  });

  it('merges accumulators with other origins into the same', () => {
    const set = features(60, 5, 1, { shift: 3 });
    const parts = [0, 7, 40, 60].slice(0, -1).map((from, k) => {
      const part = createStatisticsAccumulator(5);
      part.add({ values: set.values.subarray(from * 5, [7, 40, 60][k]! * 5), dimension: 5 });
      return part;
    });
    const sum = createStatisticsAccumulator(5);
    sum.merge(createStatisticsAccumulator(5));
    for (const part of parts) sum.merge(part);
    const merged = sum.finish();
    const whole = featureStatistics(set);
    expect(sum.count).toBe(60);
    whole.mean.forEach((value, i) => expect(merged.mean[i]).toBeCloseTo(value, 12));
    whole.covariance.forEach((value, i) => expect(merged.covariance[i]).toBeCloseTo(value, 12));
    expect(() => sum.merge(createStatisticsAccumulator(4))).toThrowWith({
      code: 'EXTRACTOR_MISMATCH',
      contains: ['5 and 4 dimensions'],
    });
  });

  it('keeps its precision if the mean is large compared with the deviation', () => {
    const values = numbers(200, 1);
    const near = featureStatistics({ values, dimension: 1 });
    const far = featureStatistics({ values: values.map((value) => value + 1e7), dimension: 1 });
    // 1e7 costs 1e7 * 2^-53 = 1e-9 a value in the input itself.
    expect(Math.abs(far.covariance[0]! / near.covariance[0]! - 1)).toBeLessThan(1e-8);
  });

  it('refuses too few images, NaN and other dimensions', () => {
    expect(() => createStatisticsAccumulator(2).finish()).toThrowWith({
      code: 'SET_TOO_SMALL',
      contains: ['0 images', 'at least 2'],
    });
    expect(() => featureStatistics({ values: Float64Array.of(1, 2), dimension: 2 })).toThrowWith({
      code: 'SET_TOO_SMALL',
      contains: ['1 images'],
    });
    expect(() => featureStatistics({ values: Float64Array.of(1, 2, 3, NaN), dimension: 2 })).toThrowWith({
      code: 'NOT_FINITE',
      contains: ['image 1', 'NaN'],
    });
    expect(() => createStatisticsAccumulator(3).add(features(4, 2, 1))).toThrowWith({
      code: 'EXTRACTOR_MISMATCH',
      contains: ['2-d', '3-d'],
    });
    expect(() => featureStatistics({ values: Float64Array.of(1, 2, 3), dimension: 2 })).toThrowWith({
      code: 'SET_INVALID',
      contains: ['3 numbers', 'dimension 2'],
    });
  });
});
