import { normal } from '@dm/core';
import { openEagerEngine, type Engine } from '@dm/ops';
import { inverse, Matrix } from 'ml-matrix';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EvalError } from '../errors.js';
import { featureStatistics } from '../metrics/statistics.js';
import { geometricMean, logSnrBuckets, stratifiedLogSnrs } from './log-snr-buckets.js';
import { posteriorMeanLosses } from './posterior-mean.js';
import { wienerLoss } from './wiener.js';

const dimension = 3;

/** Correlated images, [count, 3]. */
function imagesOf(count: number, index: number): Float32Array {
  const z = normal({ seed: 1, stream: 'evaluation', index }, count * dimension);
  return Float32Array.from(z, (value, i) => {
    const row = i - (i % dimension);
    return 0.3 + [0.5 * z[row]!, 0.4 * z[row]! + 0.1 * z[row + 1]!, 0.02 * value][i % dimension]!;
  });
}

describe('logSnrBuckets', () => {
  it('divides [-5, 7] into ten equal parts, from noisy to clean', () => {
    const buckets = logSnrBuckets();
    expect(buckets).toHaveLength(10);
    expect(buckets[0]!.from).toBe(-5);
    expect(buckets[9]!.to).toBe(7);
    for (const { from, to } of buckets) expect(to - from).toBeCloseTo(1.2, 12);
    expect([...stratifiedLogSnrs({ from: 0, to: 1 }, 2)]).toEqual([0.25, 0.75]);
    expect(() => logSnrBuckets(0)).toThrowWith({ type: RangeError, contains: ['0'] });
  });
});

describe('geometricMean', () => {
  it('is the exponential of the mean logarithm', () => {
    expect(geometricMean([1e-3, 10])).toBeCloseTo(0.1, 12);
    expect(geometricMean([])).toBeNaN();
  });
});

describe('wienerLoss', () => {
  it.each([-5, 0, 7])('equals the expected error of the filter as a matrix, at log-SNR %f', (logSnr) => {
    const fitted = featureStatistics({ values: imagesOf(200, 0), dimension });
    const images = imagesOf(50, 1);
    // Any alpha and sigma of this SNR give the same loss.
    const [alpha, sigma] = [0.8, 0.8 * Math.exp(-logSnr / 2)];
    const covariance = Matrix.from1DArray(dimension, dimension, fitted.covariance);
    const ofInput = Matrix.add(Matrix.mul(covariance, alpha ** 2), Matrix.eye(dimension).mul(sigma ** 2));
    const filter = Matrix.mul(covariance, alpha).mmul(inverse(ofInput));
    const bias = Matrix.sub(Matrix.mul(filter, alpha), Matrix.eye(dimension));
    let sum = 0;
    for (let n = 0; n < 50; n++) {
      const centered = Array.from({ length: dimension }, (_, i) => images[n * dimension + i]! - fitted.mean[i]!);
      sum += bias.mmul(Matrix.columnVector(centered)).norm() ** 2 + sigma ** 2 * filter.norm() ** 2;
    }
    const expected = ((alpha / sigma) ** 2 * sum) / (50 * dimension);
    expect(wienerLoss(fitted, { values: images, dimension })(logSnr)).toBeCloseTo(expected, 10);
  });

  it('refuses images of another dimension', () => {
    const fitted = featureStatistics({ values: imagesOf(20, 0), dimension });
    expect(() => wienerLoss(fitted, { values: new Float32Array(8), dimension: 2 })).toThrowWith({
      type: EvalError,
      contains: ['2', '3'],
    });
  });
});

describe('posteriorMeanLosses', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openEagerEngine('tfjs-cpu');
  });
  afterAll(() => engine.dispose());

  it('equals the sum over all images, whatever their blocks', async () => {
    const train = imagesOf(1500, 2);
    const values = imagesOf(6, 3);
    const noise = normal({ seed: 2, stream: 'evaluation' }, values.length);
    const logSnrs = [-5, -2, 0, 2, 5, 7];
    async function* blocks() {
      yield { values: train.subarray(0, 7 * dimension), dimension };
      yield { values: train.subarray(7 * dimension), dimension };
    }
    const losses = await posteriorMeanLosses({
      blocks: blocks(),
      images: { values, dimension },
      noise,
      logSnrs,
      engine,
    });
    for (const [q, logSnr] of logSnrs.entries()) {
      const snr = Math.exp(logSnr);
      const at = (array: Float32Array, row: number, i: number) => array[row * dimension + i]!;
      const noisy = [0, 1, 2].map((i) => at(values, q, i) + at(noise, q, i) / Math.sqrt(snr));
      const logits = Array.from(
        { length: 1500 },
        (_, j) => (-snr / 2) * noisy.reduce((sum, y, i) => sum + (y - at(train, j, i)) ** 2, 0),
      );
      const largest = Math.max(...logits);
      const weights = logits.map((logit) => Math.exp(logit - largest));
      const total = weights.reduce((sum, w) => sum + w, 0);
      const errors = [0, 1, 2].map(
        (i) => weights.reduce((sum, w, j) => sum + (w / total) * at(train, j, i), 0) - at(values, q, i),
      );
      const expected = (snr * errors.reduce((sum, e) => sum + e * e, 0)) / dimension;
      expect(losses[q]! / expected).toBeCloseTo(1, 3);
    }
  });

  it('refuses sizes that do not match', async () => {
    async function* none() {}
    const images = { values: new Float32Array(6), dimension };
    await expect(
      posteriorMeanLosses({ blocks: none(), images, noise: new Float32Array(3), logSnrs: [0, 0], engine }),
    ).rejects.toThrowWith({ type: RangeError, contains: ['6', '3'] });
  });
});
