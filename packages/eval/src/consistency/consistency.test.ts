import { normal } from '@dm/core';
import { describe, expect, it } from 'vitest';
import { consistency, type ConsistencyOptions, type ConsistencyReport } from './consistency.js';
import type { SampleSet } from './sample-set.js';

const COUNT = 24;
const SIZE = 8 * 8;
const shape = [8, 8, 1];

/** Images that share `common`, plus a part of their own, plus noise of the model. */
function set(name: string, noise: number, phase: number): SampleSet {
  const own = normal({ seed: 5, stream: 'evaluation' }, COUNT * SIZE);
  const extra = normal({ seed: 100 + phase, stream: 'evaluation' }, COUNT * SIZE);
  const samples = Float32Array.from(own, (value, i) => 3 * Math.cos(i % SIZE) + value + noise * extra[i]!);
  return { name, samples };
}

const row = (report: ConsistencyReport, metric: string) => report.overall.metrics.find((m) => m.metric === metric)!;

describe('consistency', () => {
  it('is perfect between a set and itself, and by chance near 0 once the mean image is gone', () => {
    const report = consistency([set('a', 0, 1), { ...set('b', 0, 1), name: 'b' }], { shape });
    const cosine = row(report, 'cosine');
    expect(cosine.same).toEqual({ mean: expect.closeTo(1, 9), low: expect.closeTo(1, 9), high: expect.closeTo(1, 9) });
    expect(Math.abs(cosine.random.mean)).toBeLessThan(0.15);
    expect(cosine.retrieval.mean).toBe(1);
    expect(row(report, 'mae').same.mean).toBe(0);
    expect(report.overall.reproducibility!.same.mean).toBe(1);
    expect(report.overall.reproducibility!.random.mean).toBe(0);
  });

  it('does not take what all images share for agreement', () => {
    // The same pattern in every image, and nothing else in common: sample n beside sample n + 1.
    const { samples } = set('x', 0, 1);
    const unrelated = { name: 'b', samples: samples.map((_, i) => samples[(i + SIZE) % samples.length]!) };
    const removed = row(consistency([set('a', 0, 1), unrelated], { shape }), 'cosine');
    const kept = row(consistency([set('a', 0, 1), unrelated], { shape, center: 'image' }), 'cosine');
    // 24 cosines of 64 numbers: a deviation of 1/8 each, 1/40 of their mean.
    expect(Math.abs(removed.same.mean)).toBeLessThan(0.1);
    // With each image's own mean only, the pattern makes even unrelated images look alike.
    expect(kept.same.mean).toBeGreaterThan(0.7);
  });

  it('orders same, nearest and random, and falls with the noise of the models', () => {
    const near = consistency([set('a', 0.3, 1), set('b', 0.3, 2), set('c', 0.3, 3)], {
      shape,
      metrics: ['cosine', 'mae', 'psnr', 'ssim'],
      dataRange: 10,
    });
    expect(near.pairs.map(({ a, b }) => `${a}-${b}`)).toEqual(['a-b', 'a-c', 'b-c']);
    for (const { metric, higherIsCloser, same, nearest, random, gap } of near.overall.metrics) {
      const sign = higherIsCloser ? 1 : -1;
      expect([metric, sign * same.mean > sign * nearest.mean, sign * nearest.mean > sign * random.mean]).toEqual([
        metric,
        true,
        true,
      ]);
      expect(gap.mean).toBeCloseTo(same.mean - random.mean, 9);
      expect(same.low).toBeLessThanOrEqual(same.mean);
      expect(same.high).toBeGreaterThanOrEqual(same.mean);
    }
    const far = consistency([set('a', 2, 1), set('b', 2, 2)], { shape });
    expect(row(far, 'cosine').same.mean).toBeLessThan(row(near, 'cosine').same.mean);
  });

  it('equals the numbers worked out by hand', () => {
    // Mean image of both sets: [1, 1]. Centered: a = (1,0), (-1,0); b = (1,1), (-1,-1).
    const a = { name: 'a', samples: Float64Array.of(2, 1, 0, 1) };
    const b = { name: 'b', samples: Float64Array.of(2, 2, 0, 0) };
    const { pairs } = consistency([a, b], { shape: [2] });
    const [cosine, mae] = pairs[0]!.metrics;
    expect(cosine!.same.mean).toBeCloseTo(Math.SQRT1_2, 12);
    expect(cosine!.random.mean).toBeCloseTo(-Math.SQRT1_2, 12);
    expect(mae!.same.mean).toBe(0.5);
    expect(mae!.random.mean).toBe(1.5);
    expect(pairs[0]!.reproducibility!.same.mean).toBe(1);
  });

  it('has no gap between collapsed models, whose PSNR is infinite', () => {
    const [a, b] = ['a', 'b'].map((name) => ({ name, samples: Float64Array.of(2, 1, 2, 1, 2, 1) }));
    const { pairs } = consistency([a!, b!], { shape: [2], metrics: ['psnr'], dataRange: 2 });
    expect(pairs[0]!.metrics[0]!.gap).toMatchObject({ mean: 0, low: 0, high: 0 });
  });

  it('is the mean of its pairs', () => {
    const report = consistency([set('a', 0.3, 1), set('b', 0.6, 2), set('c', 0.9, 3)], { shape });
    const means = report.pairs.map((pair) => pair.metrics[0]!.same.mean);
    expect(report.overall.metrics[0]!.same.mean).toBeCloseTo(means.reduce((sum, x) => sum + x, 0) / 3, 12);
  });

  it('depends on the seed only through controls and intervals', () => {
    const sets = [set('a', 0.5, 1), set('b', 0.5, 2)];
    expect(consistency(sets, { shape, seed: 7 })).toEqual(consistency(sets, { shape, seed: 7 }));
    const one = row(consistency(sets, { shape, seed: 7 }), 'cosine');
    const other = row(consistency(sets, { shape, seed: 8 }), 'cosine');
    expect(other.same.mean).toBe(one.same.mean);
    expect(other.random.mean).not.toBe(one.random.mean);
    expect(other.same.low).not.toBe(one.same.low);
  });

  const fine = set('a', 0.5, 1);
  const cut = (count: number) => ({ name: 'b', samples: fine.samples.slice(0, count * SIZE) });
  const withValue = (value: number) => ({ name: 'b', samples: fine.samples.with(3 * SIZE + 5, value) });
  const constant = { name: 'b', samples: fine.samples.map((x, i) => (Math.floor(i / SIZE) === 2 ? 0.5 : x)) };
  /** Without a code it is a RangeError. */
  const refused: [string, SampleSet[], ConsistencyOptions, string | undefined, string[]][] = [
    ['one set', [fine], { shape }, undefined, ['at least 2', 'got 1']],
    ['one image', [cut(1), cut(1)], { shape }, 'SET_TOO_SMALL', ['b: 1 samples', 'at least 2']],
    ['mixed counts', [fine, cut(20)], { shape }, 'SETS_MISMATCH', ['b has 20', 'a has 24']],
    [
      'mixed sizes',
      [fine, { name: 'b', samples: fine.samples.slice(5) }],
      { shape },
      'SET_INVALID',
      ['b: 1531 numbers', '[8, 8, 1]'],
    ],
    ['NaN', [fine, withValue(NaN)], { shape }, 'NOT_FINITE', ['b: sample 3', 'NaN']],
    ['infinity', [fine, withValue(Infinity)], { shape }, 'NOT_FINITE', ['b: sample 3', 'Infinity']],
    ['constant image', [fine, constant], { shape, center: 'image' }, 'SET_INVALID', ['b: sample 2', 'constant']],
    [
      'equal images',
      [cut(1), cut(1)].map((s) => ({ ...s, samples: new Float32Array([...s.samples, ...s.samples]) })),
      { shape },
      'SET_INVALID',
      ['b: sample 0', 'constant'],
    ],
    ['no range', [fine, fine], { shape, metrics: ['ssim'] }, undefined, ['ssim', 'dataRange']],
    [
      'SSIM of features',
      [fine, fine],
      { shape: [SIZE], metrics: ['ssim'], dataRange: 2 },
      undefined,
      ['SSIM', '[H, W, C]'],
    ],
    ['empty shape', [fine, fine], { shape: [] }, undefined, ['is []']],
    ['center', [fine, fine], { shape, center: 'Set' as 'set' }, undefined, ['center', 'set, image', '"Set"']],
    ['confidence', [fine, fine], { shape, confidence: 1 }, undefined, ['confidence', '(0, 1)', 'got 1']],
    ['resamples', [fine, fine], { shape, resamples: 0 }, undefined, ['resamples', '>= 1', 'got 0']],
  ];
  it.each(refused)('refuses: %s', (_, sets, options, code, contains) => {
    const expected = code === undefined ? { type: RangeError, contains } : { code, contains };
    expect(() => consistency(sets, options)).toThrowWith(expected);
  });
});
