import { describe, expect, it } from 'vitest';
import { meanAbsoluteError, psnr } from './pair-metrics.js';
import { meanSsim } from './ssim.js';
import { numbers, reference } from '../testing/reference.js';

const clip = (x: number) => Math.min(1, Math.max(-1, x));

describe('SSIM, PSNR and MAE against scikit-image and NumPy', () => {
  it.each(reference.ssim)('$shape', ({ shape, ...expected }) => {
    const size = shape[0] * shape[1] * shape[2];
    const noise = numbers(size, 2);
    const x = numbers(size, 1).map((value) => clip(value / 1.5));
    const y = x.map((value, i) => clip(0.8 * value + 0.2 * noise[i]!));
    expect(meanSsim(x, y, { shape, dataRange: 2 })).toBeCloseTo(expected.uniform, 9);
    expect(meanSsim(x, y, { shape, dataRange: 2, window: 'gaussian' })).toBeCloseTo(expected.gaussian, 9);
    const population = { shape, dataRange: 2, sampleCovariance: false };
    expect(meanSsim(x, y, population)).toBeCloseTo(expected.uniformPopulation, 9);
    expect(meanSsim(x, y, { ...population, window: 'gaussian' })).toBeCloseTo(expected.gaussianPopulation, 9);
    expect(psnr(x, y, 2)).toBeCloseTo(expected.psnr, 9);
    expect(meanAbsoluteError(x, y)).toBeCloseTo(expected.mae, 12);
    expect(meanSsim(x, x, { shape, dataRange: 2 })).toBeCloseTo(1, 12);
    expect(psnr(x, x, 2)).toBe(Infinity);
    for (const of of [(other: number[]) => psnr(x, other, 2), (other: number[]) => meanAbsoluteError(x, other)]) {
      for (const other of [[], [...x, 1]]) expect(() => of(other)).toThrow(RangeError);
    }
  });

  it('is 1 for equal constant images', () => {
    const flat = new Float64Array(64).fill(0.25);
    expect(meanSsim(flat, flat, { shape: [8, 8, 1], dataRange: 1 })).toBeCloseTo(1, 12);
  });

  it('refuses what it cannot compare', () => {
    const small = new Float64Array(36);
    expect(() => meanSsim(small, small, { shape: [6, 6, 1], dataRange: 1 })).toThrowWith({
      type: RangeError,
      contains: ['6x6', '7x7'],
    });
    expect(() => meanSsim(small, small.subarray(1), { shape: [6, 6, 1], dataRange: 1 })).toThrowWith({
      type: RangeError,
      contains: ['36', '35'],
    });
    const image = new Float64Array(64);
    expect(() => meanSsim(image, image, { shape: [8, 8, 1], dataRange: 0 })).toThrowWith({
      type: RangeError,
      contains: ['dataRange', '> 0', 'got 0'],
    });
    const window = 'Uniform' as 'uniform';
    expect(() => meanSsim(image, image, { shape: [8, 8, 1], dataRange: 1, window })).toThrowWith({
      type: RangeError,
      contains: ['window', 'uniform, gaussian', '"Uniform"'],
    });
  });
});
