import { describe, expect, test } from 'vitest';
import {
  dropoutMask,
  normal,
  normalBatch,
  permutation,
  uniform,
  uniformBatch,
  uniformEach,
  uniformU32,
} from './draw.js';
import type { RandomKey } from './key.js';
import { philox4x32 } from './philox.js';
import { type StreamName, streams } from './streams.js';

const N = 200_000;
const key: RandomKey = { seed: 1, stream: 'noise' };

/** sup |F_n - F| of a sample. */
function kolmogorovSmirnov(sample: ArrayLike<number>, cdf: (x: number) => number): number {
  const sorted = Float64Array.from(sample).toSorted();
  let d = 0;
  sorted.forEach((x, i) => {
    const f = cdf(x);
    d = Math.max(d, f - i / sorted.length, (i + 1) / sorted.length - f);
  });
  return d;
}

/** The normal distribution function to 1.5e-7: Abramowitz & Stegun 7.1.26. */
function normalCdf(x: number): number {
  const z = Math.abs(x) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * z);
  const poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const erf = 1 - poly * Math.exp(-z * z);
  return x < 0 ? (1 - erf) / 2 : (1 + erf) / 2;
}

function correlation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const mean = (v: ArrayLike<number>): number => Array.from(v).reduce((s, x) => s + x, 0) / v.length;
  const [ma, mb] = [mean(a), mean(b)];
  let [sab, saa, sbb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    sab += (a[i]! - ma) * (b[i]! - mb);
    saa += (a[i]! - ma) ** 2;
    sbb += (b[i]! - mb) ** 2;
  }
  return sab / Math.sqrt(saa * sbb);
}

const moment = (values: ArrayLike<number>, k: number): number =>
  Array.from(values).reduce((sum, x) => sum + x ** k, 0) / values.length;

// sup sqrt(n) D stays below 1.95 with probability 0.999.
const KS_BOUND = 1.95;

describe('addresses', () => {
  test('counter and key words are [block, index, step, stream + lane 2^16] and the halves of the seed', () => {
    const out = new Uint32Array(8);
    const seed = 5 * 2 ** 32 + 7;
    philox4x32(0, 11, 13, streams.sample + 3 * 65536, 7, 5, out, 0);
    philox4x32(1, 11, 13, streams.sample + 3 * 65536, 7, 5, out, 4);
    expect(uniformU32({ seed, stream: 'sample', step: 13, index: 11, lane: 3 }, 7)).toEqual(out.subarray(0, 7));
  });

  test('stream numbers are what earlier results were made of', () => {
    expect(streams).toEqual({
      timesteps: 0,
      noise: 1,
      init: 2,
      order: 3,
      augment: 4,
      sample: 5,
      dropout: 6,
      labelDropout: 7,
      labels: 8,
      evaluation: 9,
      probe: 10,
      uncertainty: 11,
    });
  });

  test('values stay what they were', () => {
    const at: RandomKey = { seed: 0, stream: 'timesteps' };
    // The known answer for counter 0 under key 0, and NumPy's numbers of those four words.
    expect([...uniformU32(at, 4)]).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
    expect([...uniform(at, 2)]).toEqual([0.39904647231489565, 0.7357127860596914]);
    expect([...normal(at, 4)]).toEqual([
      0.991137683391571, -0.9246625900268555, -0.6176089644432068, -0.48206859827041626,
    ]);
  });

  test.each<[string, Partial<RandomKey>, string[]]>([
    ['negative seed', { seed: -1 }, ['seed', '0 to 9007199254740991', 'got -1']],
    ['fractional seed', { seed: 0.5 }, ['seed', 'got 0.5']],
    ['unsafe seed', { seed: 2 ** 53 }, ['seed', 'got 9007199254740992']],
    ['unknown stream', { stream: 'nose' as StreamName }, ['"nose"', 'timesteps, noise, init']],
    ['step', { step: 2 ** 32 }, ['step', '0 to 4294967295', 'got 4294967296']],
    ['index', { index: -3 }, ['index', 'got -3']],
    ['lane', { lane: 65536 }, ['lane', '0 to 65535', 'got 65536']],
  ])('refuses: %s', (_, wrong, contains) => {
    expect(() => normal({ ...key, ...wrong }, 1)).toThrowWith({ type: RangeError, contains });
  });

  test('refuses an impossible count', () => {
    expect(() => uniform(key, -1)).toThrowWith({ type: RangeError, contains: ['count', '0 to 4294967296', 'got -1'] });
  });
});

describe('number j is the same however many are drawn', () => {
  test('alone', () => {
    const all = normal(key, 103);
    for (const n of [1, 2, 3, 4, 5, 50]) expect(normal(key, n)).toEqual(all.subarray(0, n));
    expect(uniform(key, 3)).toEqual(uniform(key, 100).subarray(0, 3));
  });

  test.each([
    ['normal', normalBatch],
    ['uniform', uniformBatch],
  ])('in any batch: %s', (_, draw) => {
    const whole = draw({ ...key, step: 4, indices: [0, 1, 2, 3, 4] }, [3, 5]);
    expect(whole.shape).toEqual([5, 3, 5]);
    const part = draw({ ...key, step: 4, indices: [3, 1] }, [3, 5]);
    expect(part.data.subarray(0, 15)).toEqual(whole.data.subarray(45, 60));
    expect(part.data.subarray(15)).toEqual(whole.data.subarray(15, 30));
  });

  test('one number an image', () => {
    const each = uniformEach({ ...key, indices: [5, 9] });
    expect([...each]).toEqual([uniform({ ...key, index: 5 }, 1)[0], uniform({ ...key, index: 9 }, 1)[0]]);
    expect(normalBatch({ ...key, indices: [7] }, [9]).data).toEqual(normal({ ...key, index: 7 }, 9));
  });
});

describe('uniforms', () => {
  test('lie in [0, 1), and pass a Kolmogorov-Smirnov test', () => {
    const u = uniform(key, N);
    expect(u.every((v) => v >= 0 && v < 1)).toBe(true);
    expect(kolmogorovSmirnov(u, (x) => x) * Math.sqrt(N)).toBeLessThan(KS_BOUND);
  });

  test('in float32 never reach 1', () => {
    const { data } = uniformBatch({ ...key, indices: [0] }, [N]);
    expect(data.every((v) => v >= 0 && v < 1)).toBe(true);
    expect(kolmogorovSmirnov(data, (x) => x) * Math.sqrt(N)).toBeLessThan(KS_BOUND);
  });
});

describe('normals', () => {
  const z = normal(key, N);

  test('moments 0, 1, 0, 3 within four standard errors', () => {
    // Variances of z^k: 1, 2, 15, 96.
    [0, 1, 0, 3].forEach((expected, i) => {
      const error = 4 * Math.sqrt([1, 2, 15, 96][i]! / N);
      expect(Math.abs(moment(z, i + 1) - expected), `moment ${i + 1}`).toBeLessThan(error);
    });
  });

  test('tails: as many beyond 2, 3 and 4 as there should be', () => {
    [2, 3, 4].forEach((x) => {
      const p = 2 * normalCdf(-x);
      const count = z.reduce((c, v) => c + (Math.abs(v) > x ? 1 : 0), 0);
      expect(Math.abs(count - N * p), `beyond ${x}`).toBeLessThan(4 * Math.sqrt(N * p));
    });
  });

  test('pass a Kolmogorov-Smirnov test, finite even from the smallest uniform', () => {
    expect(kolmogorovSmirnov(z, normalCdf) * Math.sqrt(N)).toBeLessThan(KS_BOUND);
    expect(z.every(Number.isFinite)).toBe(true);
  });

  test('pairs of Box-Muller are uncorrelated, squares too', () => {
    const even = z.filter((_, i) => i % 2 === 0);
    const odd = z.filter((_, i) => i % 2 === 1);
    const bound = 4 / Math.sqrt(N / 2);
    expect(Math.abs(correlation(even, odd))).toBeLessThan(bound);
    expect(
      Math.abs(
        correlation(
          even.map((v) => v * v),
          odd.map((v) => v * v),
        ),
      ),
    ).toBeLessThan(bound);
  });
});

describe('independence', () => {
  const n = 20_000;
  const base = normal(key, n);
  test.each<[string, RandomKey]>([
    ['another stream', { ...key, stream: 'sample' }],
    ['the next step', { ...key, step: 1 }],
    ['the next image', { ...key, index: 1 }],
    ['the next seed', { ...key, seed: 2 }],
    ['a seed that differs in the upper half', { ...key, seed: 1 + 2 ** 32 }],
    ['another lane', { ...key, lane: 1 }],
  ])('%s', (_, other) => {
    expect(Math.abs(correlation(base, normal(other, n)))).toBeLessThan(4 / Math.sqrt(n));
  });
});

describe('what is made of them', () => {
  test('a permutation has each number once, and each order of three alike often', () => {
    const order = permutation({ seed: 3, stream: 'order' }, 1000);
    expect([...order].toSorted((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    const counts = new Map<string, number>();
    const draws = 6000;
    for (let step = 0; step < draws; step++) {
      const name = permutation({ seed: 3, stream: 'order', step }, 3).join('');
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    const chiSquare = [...counts.values()].reduce((sum, c) => sum + (c - draws / 6) ** 2 / (draws / 6), 0);
    expect(chiSquare).toBeLessThan(20.5); // 0.999 quantile, 5 degrees of freedom
  });

  test('dropout masks hold the rate, in the mean keep 1, and differ by step, image and lane', () => {
    const at = { seed: 0, stream: 'dropout' as const, indices: [0, 1] };
    const { data, shape } = dropoutMask(at, [50, 1000], 0.3);
    expect(shape).toEqual([2, 50, 1000]);
    const zeros = data.reduce((c, v) => c + (v === 0 ? 1 : 0), 0);
    expect(Math.abs(zeros / 1e5 - 0.3)).toBeLessThan(4 * Math.sqrt((0.3 * 0.7) / 1e5));
    expect(new Set(data)).toEqual(new Set([0, Math.fround(1 / 0.7)]));
    expect(data.subarray(0, 50_000)).not.toEqual(data.subarray(50_000));
    expect(dropoutMask({ ...at, lane: 1 }, [50, 1000], 0.3).data).not.toEqual(data);
    expect(dropoutMask({ ...at, step: 1 }, [50, 1000], 0.3).data).not.toEqual(data);
    expect(dropoutMask(at, [4], 0).data).toEqual(new Float32Array(8).fill(1));
    expect(() => dropoutMask(at, [4], 1)).toThrowWith({ type: RangeError, contains: ['rate', '[0, 1)', 'got 1'] });
  });
});
