import { describe, expect, it } from 'vitest';
import { rowsAt } from './features.js';
import { inceptionScore } from './inception-score.js';
import { kernelDistance, unbiasedMmd2 } from './kid.js';
import { densityCoverage, precisionRecall } from './manifold.js';
import { memorizedShare } from './memorization.js';
import { slicedWasserstein, wasserstein2Along } from './sliced-wasserstein.js';
import { vendiScore } from './vendi.js';
import { features, reference } from '../testing/reference.js';
import { randomSubset } from '../random.js';

const real = features(60, 8, 1);
const generated = features(45, 8, 2, { shift: 0.2, scale: 1.2 });

describe('KID', () => {
  it('has the unbiased estimate of NumPy', () => {
    expect(Math.abs(unbiasedMmd2(real, generated) / reference.mmd2 - 1)).toBeLessThan(1e-9);
    expect(unbiasedMmd2(generated, real)).toBeCloseTo(unbiasedMmd2(real, generated), 12);
  });

  it('equals torchmetrics for sets of one size', () => {
    const first = { values: real.values.subarray(0, 45 * 8), dimension: 8 };
    expect(Math.abs(unbiasedMmd2(first, generated) / reference.mmd2Torchmetrics - 1)).toBeLessThan(1e-9);
  });

  it('estimates the same from subsets, the same for a seed', () => {
    const { mean, std, subsets, subsetSize } = kernelDistance(real, generated, { subsets: 400, subsetSize: 20 });
    expect([subsets, subsetSize]).toEqual([400, 20]);
    // Unbiased: within four standard errors of the estimate from all images.
    expect(Math.abs(mean - reference.mmd2)).toBeLessThan((4 * std) / Math.sqrt(400) + 0.01);
    const again = kernelDistance(real, generated, { subsets: 400, subsetSize: 20 });
    expect(again.mean).toBe(mean);
    expect(kernelDistance(real, generated, { subsets: 400, subsetSize: 20, seed: 1 }).mean).not.toBe(mean);
  });

  it.each([
    ['two sets', generated],
    ['a set and itself', real],
  ])('is the mean over its subsets, each taken alone: %s', (_, other) => {
    const options = { subsets: 5, subsetSize: 20, seed: 3 };
    const alone = Array.from({ length: 5 }, (__, k) =>
      unbiasedMmd2(
        rowsAt(real, randomSubset(3, 2 * k, 60, 20)),
        rowsAt(other, randomSubset(3, 2 * k + 1, other.values.length / 8, 20)),
      ),
    );
    const mean = alone.reduce((sum, value) => sum + value, 0) / 5;
    expect(kernelDistance(real, other, options).mean).toBeCloseTo(mean, 12);
  });

  it('of all images is that one number', () => {
    const set = features(45, 8, 1);
    const { mean, std } = kernelDistance(set, generated, { subsets: 3 });
    expect(mean).toBeCloseTo(unbiasedMmd2(set, generated), 12);
    expect(std).toBeLessThan(1e-12);
  });

  it('refuses subsets that cannot be', () => {
    expect(() => kernelDistance(real, generated, { subsetSize: 46 })).toThrowWith({
      type: RangeError,
      contains: ['subsetSize', '2 to 45', 'got 46'],
    });
    expect(() => kernelDistance(real, generated, { subsets: 0 })).toThrowWith({
      type: RangeError,
      contains: ['subsets', '>= 1', 'got 0'],
    });
    expect(() => kernelDistance(real, features(9, 7, 1))).toThrowWith({
      code: 'EXTRACTOR_MISMATCH',
      contains: ['8 and 7 dimensions'],
    });
  });
});

describe('precision, recall, density, coverage', () => {
  it('equal NumPy (the formulas of prdc)', () => {
    const { precision, recall } = precisionRecall(real, generated);
    const { density, coverage } = densityCoverage(real, generated);
    const expected = reference.manifold;
    expect(reference.manifoldSklearn).toEqual(expected);
    expect([precision, recall, density, coverage]).toEqual(
      [expected.precision, expected.recall, expected.density, expected.coverage].map(
        (x) => expect.closeTo(x, 12) as number,
      ),
    );
  });

  it('count ties as outside, as prdc does', () => {
    const points = (...values: number[]) => ({ values: Float64Array.from(values), dimension: 1 });
    const k1 = { neighbors: 1 };
    // prdc's compute_prdc(real, generated, nearest_k=1). Real radii are 1, and 4 is at distance 1 of 3.
    expect(precisionRecall(points(0, 1, 2, 3), points(4, 10, 11, 20), k1)).toEqual({ precision: 0, recall: 1 });
    expect(precisionRecall(points(4, 10, 11, 20), points(0, 1, 2, 3), k1)).toEqual({ precision: 1, recall: 0 });
    // Copies within a set have radii of 0, which hold nothing; 7 and 9 have 2.
    expect(precisionRecall(points(5, 5, 5, 5), points(5, 5, 7, 9), k1)).toEqual({ precision: 0, recall: 0 });
  });

  it('are 1 for the same set and 0 for one far away', () => {
    expect(precisionRecall(real, real)).toEqual({ precision: 1, recall: 1 });
    expect(densityCoverage(real, real).coverage).toBe(1);
    const far = features(45, 8, 2, { shift: 100 });
    expect(precisionRecall(real, far)).toEqual({ precision: 0, recall: 0 });
    expect(densityCoverage(real, far)).toEqual({ density: 0, coverage: 0 });
  });

  it('refuse fewer images than neighbors', () => {
    expect(() => precisionRecall(real, features(3, 8, 1))).toThrowWith({
      code: 'SET_TOO_SMALL',
      contains: ['generated: 3 images', 'at least 4'],
    });
    expect(() => densityCoverage(real, generated, { neighbors: 0 })).toThrowWith({
      type: RangeError,
      contains: ['neighbors', '>= 1', 'got 0'],
    });
  });
});

describe('inceptionScore', () => {
  const logits = features(60, 8, 1, { scale: 3 });
  it.each([1, 5])('equals NumPy with %i splits', (splits) => {
    const { mean, std } = inceptionScore(logits, { splits });
    expect(mean).toBeCloseTo(reference.inceptionScore[splits]!.mean, 10);
    expect(std).toBeCloseTo(reference.inceptionScore[splits]!.std, 10);
  });

  it('equals torchmetrics', () => {
    expect(inceptionScore(logits, { splits: 1 }).mean).toBeCloseTo(reference.inceptionScoreTorchmetrics, 10);
  });

  it('is the number of classes for confident, balanced predictions and 1 for uniform ones, also if exp underflows', () => {
    const sure = new Float64Array(40 * 4).map((_, i) => (Math.floor(i / 4) % 4 === i % 4 ? 1000 : 0));
    expect(inceptionScore({ values: sure, dimension: 4 }).mean).toBeCloseTo(4, 12);
    expect(inceptionScore({ values: new Float64Array(40), dimension: 4 }, { splits: 2 }).mean).toBeCloseTo(1, 12);
  });

  it('refuses more splits than images', () => {
    expect(() => inceptionScore(logits, { splits: 61 })).toThrowWith({
      type: RangeError,
      contains: ['splits', '1 to 60', 'got 61'],
    });
  });
});

describe('sliced Wasserstein distance', () => {
  it('equals NumPy along given directions, for sets of different sizes', () => {
    const { values } = features(50, 8, 4);
    let sum = 0;
    for (let k = 0; k < 50; k++) sum += wasserstein2Along(real, generated, values.subarray(8 * k, 8 * k + 8));
    expect(Math.abs(sum / 50 / reference.slicedWasserstein - 1)).toBeLessThan(1e-9);
  });

  it('of a shifted set is the mean squared component of the shift, and depends on the seed only', () => {
    const shifted = { ...real, values: real.values.map((value, i) => value + (i % 8 === 0 ? 2 : 0)) };
    const distance = slicedWasserstein(real, shifted);
    // E[(u·s)^2] = |s|^2 / d
    expect(Math.abs(distance / (4 / 8) - 1)).toBeLessThan(0.1);
    expect(slicedWasserstein(real, shifted)).toBe(distance);
    expect(slicedWasserstein(real, shifted, { seed: 1 })).not.toBe(distance);
    expect(slicedWasserstein(real, real)).toBe(0);
  });

  it('refuses zero directions and other dimensions', () => {
    expect(() => slicedWasserstein(real, generated, { directions: 0 })).toThrowWith({
      type: RangeError,
      contains: ['directions', 'got 0'],
    });
    expect(() => slicedWasserstein(real, features(10, 4, 1))).toThrowWith({
      code: 'EXTRACTOR_MISMATCH',
      contains: ['8', '4'],
    });
  });
});

describe('Vendi score', () => {
  it('equals NumPy with more and with fewer images than dimensions', () => {
    const [many, few] = reference.vendi;
    expect(Math.abs(vendiScore(real) / many - 1)).toBeLessThan(1e-9);
    expect(Math.abs(vendiScore(features(20, 48, 1)) / few - 1)).toBeLessThan(1e-9);
  });

  it('counts different images', () => {
    const values = Float64Array.from({ length: 6 * 3 }, (_, i) => (i % 3 === Math.floor(i / 3) % 3 ? 5 : 0));
    expect(vendiScore({ values, dimension: 3 })).toBeCloseTo(3, 12);
    expect(() => vendiScore({ values: new Float64Array(6), dimension: 3 })).toThrowWith({
      code: 'SET_INVALID',
      contains: ['image 0'],
    });
  });
});

describe('memorization', () => {
  it('equals scikit-learn', () => {
    expect([0.5, 0.8].map((ratio) => memorizedShare(real, generated, { ratio }))).toEqual(reference.memorized);
  });

  it('finds copies, and refuses a ratio that cannot be', () => {
    const copies = { ...real, values: real.values.slice(0, 20 * 8).map((value, i) => (i < 80 ? value : -value)) };
    expect(memorizedShare(real, copies)).toBe(0.5);
    expect(() => memorizedShare(real, generated, { ratio: 1 })).toThrowWith({
      type: RangeError,
      contains: ['ratio', '1'],
    });
  });
});
