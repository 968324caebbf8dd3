import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { beforeAll, describe, expect, it } from 'vitest';
import { clipByGlobalNorm, gradientNorm } from './clip.js';
import { fixedEma, halfLifeEma, karrasEma, powerEma, type Ema } from './ema.js';

beforeAll(() => tf.setBackend('cpu'));

/** The average after a sequence of scalar parameters, starting from 0. */
function average(ema: Ema, values: readonly number[]): number {
  return values.reduce((before, value, step) => {
    const result = tf.tidy(() => {
      const scalars = Object.fromEntries(Object.entries(ema.scalars(step)).map(([k, v]) => [k, tf.scalar(v)]));
      return ema.update(tf.tensor1d([before]), tf.tensor1d([value]), scalars).dataSync()[0]!;
    });
    return result;
  }, 0);
}

describe('EMA', () => {
  it('is decay ema + (1 - decay) params', () => {
    const values = [1, 2, -1, 4];
    const expected = values.reduce((before, value) => 0.7 * before + 0.3 * value, 0);
    expect(average(fixedEma(0.7), values)).toBeCloseTo(expected, 6);
  });

  it('computes 1 - decay in float64', () => {
    // 1e6 (1 - float32(0.999999)) is 0.9537.
    expect(average(fixedEma(0.999999), [1e6])).toBeCloseTo(1, 5);
  });

  it('power warmup is 1 - (1 + step / invGamma)^-power, at most maxDecay, as in diffusers', () => {
    const { decay } = powerEma({ power: 0.75, invGamma: 2, maxDecay: 0.9 });
    expect(decay(0)).toBe(0);
    expect(decay(6)).toBeCloseTo(1 - 4 ** -0.75, 14);
    expect(decay(1_000_000)).toBe(0.9);
    // From the docstring of diffusers' EMAModel: power 2/3 reaches 0.999 at 31.6K steps, 3/4 at 10K.
    expect(powerEma({ power: 2 / 3 }).decay(31_622)).toBeCloseTo(0.999, 6);
    expect(powerEma({ power: 3 / 4 }).decay(9999)).toBeCloseTo(0.999, 6);
  });

  it('half-life: half of the old average remains after that many images, at any batch size', () => {
    for (const batchSize of [16, 64]) {
      const { decay } = halfLifeEma({ halfLifeImages: 6400, batchSize, rampUp: Infinity });
      expect(decay(0) ** (6400 / batchSize)).toBeCloseTo(0.5, 12);
    }
    const ramped = halfLifeEma({ halfLifeImages: 6400, batchSize: 16 }).decay;
    expect(ramped(0)).toBe(0);
    expect(ramped(10)).toBeCloseTo(0.5 ** (16 / 8), 14);
    expect(ramped(1_000_000)).toBeCloseTo(0.5 ** (16 / 6400), 14);
  });

  it('power function: decay is (1 - 1/n)^(gamma + 1), and the weights have the requested relative width', () => {
    const { decay } = karrasEma({ relativeStd: 0.1 });
    // Sec. 3.1 of arXiv:2312.02696: sigma_rel 0.10 is gamma 6.94, 0.05 is gamma 16.97.
    expect(Math.log(decay(99)) / Math.log(0.99) - 1).toBeCloseTo(6.94, 2);
    expect(Math.log(karrasEma({ relativeStd: 0.05 }).decay(99)) / Math.log(0.99) - 1).toBeCloseTo(16.97, 2);
    expect(decay(0)).toBe(0);
    // The standard deviation of the weights, relative to the length of training.
    const n = 4000;
    const weights: number[] = [];
    for (let step = 0; step < n; step++) {
      for (let i = 0; i < step; i++) weights[i]! *= decay(step);
      weights.push(1 - decay(step));
    }
    const mean = weights.reduce((sum, w, i) => sum + (w * i) / n, 0);
    const variance = weights.reduce((sum, w, i) => sum + w * (i / n - mean) ** 2, 0);
    expect(Math.sqrt(variance)).toBeCloseTo(0.1, 3);
  });

  it.each<[() => unknown, string[]]>([
    [() => fixedEma(1), ['fixedEma: decay', '[0, 1)', 'got 1']],
    [() => powerEma({ power: 0 }), ['power', '> 0', 'got 0']],
    [() => halfLifeEma({ halfLifeImages: 0, batchSize: 1 }), ['halfLifeImages', 'got 0']],
    [() => karrasEma({ relativeStd: 0.5 }), ['relativeStd', '(0, 0.28]', 'got 0.5']],
  ])('rejects values out of range %#', (make, contains) => {
    expect(make).toThrowWith({ type: RangeError, contains });
  });
});

describe('clipping', () => {
  it("computes the norm and coefficient of PyTorch's clip_grad_norm_", () => {
    // torch.nn.utils.clip_grad_norm_ of [3, 4] to 1: norm 5, coefficient 1 / (5 + 1e-6).
    tf.tidy(() => {
      const { grads, norm } = clipByGlobalNorm(tf.tensor1d([3, 4]), 1);
      expect(norm.dataSync()[0]).toBe(5);
      expect([...grads.dataSync()].map((x) => x.toFixed(6))).toEqual(['0.600000', '0.800000']);
      expect([...clipByGlobalNorm(tf.tensor1d([3, 4]), tf.scalar(10)).grads.dataSync()]).toEqual([3, 4]);
      expect([...clipByGlobalNorm(tf.tensor1d([0, 0]), 1).grads.dataSync()]).toEqual([0, 0]);
      expect(gradientNorm(tf.tensor1d([1, 2, 2])).dataSync()[0]).toBe(3);
    });
    expect(() => clipByGlobalNorm(tf.tensor1d([1]), 0)).toThrowWith({
      type: RangeError,
      contains: ['maxNorm', '> 0', 'got 0'],
    });
  });
});
