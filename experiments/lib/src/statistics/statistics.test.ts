import { normal } from '@dm/core';
import { describe, expect, it } from 'vitest';
import { logSpeedup, nonIncreasingFit, type LogSpeedup } from './log-speedup.js';
import { monotoneCubic } from './monotone-cubic.js';
import { randomEffects } from './random-effects.js';
import { fitRecipeTable, holm, interval, pValue, recipeDifference, recipeMean } from './recipe-table.js';
import { fitSpeedups, power } from './speedup-table.js';

describe('logSpeedup', () => {
  const curve = { images: [100, 200, 400, 800], metric: [8, 4, 2, 1] };

  it('interpolates in the logarithms', () => {
    // The metric is 800 / images, so 2 ** 0.5 is reached at 800 / 2 ** 0.5.
    expect(logSpeedup(curve, { metric: Math.SQRT2, images: 200 })).toEqual({
      value: expect.closeTo(Math.log(800 / Math.SQRT2 / 200), 12) as number,
    });
    expect(logSpeedup(curve, { metric: 4, images: 200 })).toEqual({ value: 0 });
    expect(logSpeedup(curve, { metric: 8, images: 100 })).toEqual({ value: 0 });
    expect(logSpeedup(curve, { metric: 1, images: 800 })).toEqual({ value: 0 });
  });

  it('is a bound beyond the ends of the curve', () => {
    expect(logSpeedup(curve, { metric: 0.9, images: 200 })).toEqual({
      value: expect.closeTo(Math.log(4), 12) as number,
      bound: 'atLeast',
    });
    expect(logSpeedup(curve, { metric: 9, images: 200 })).toEqual({
      value: expect.closeTo(Math.log(1 / 2), 12) as number,
      bound: 'atMost',
    });
  });

  it('is a bound if the metric is less than three spreads above its floor', () => {
    const floor = { value: 1, spread: 1 / 3 };
    // 1.9 is below 1 + 3 / 3 = 2, which the baseline reached after 400 images.
    const { value, bound } = logSpeedup(curve, { metric: 1.9, images: 200 }, floor);
    expect([value, bound]).toEqual([expect.closeTo(Math.log(2), 12), 'atLeast']);
    expect(logSpeedup(curve, { metric: 4, images: 200 }, floor)).toEqual({ value: 0 });
    // The baseline is near this floor from the start: a model that is not is slower, and of two such nothing is known.
    const high = { value: 8, spread: 1 };
    expect(logSpeedup(curve, { metric: 12, images: 200 }, high)).toEqual({
      value: expect.closeTo(Math.log(1 / 2), 12) as number,
      bound: 'atMost',
    });
    expect(logSpeedup(curve, { metric: 4, images: 200 }, high)).toMatchObject({ bound: 'unknown' });
  });

  it('interpolates as scipy.interpolate.PchipInterpolator does', () => {
    const cubic = monotoneCubic([0, 1, 2.5, 3, 5], [5, 3, 2.8, 2.8, 1]);
    const values = [0.3, 1.7, 2.2, 2.7, 3.5, 4.9].map(cubic);
    expect(values).toEqual(
      [4.180965663716814, 2.857123828253032, 2.808056637168141, 2.8, 2.6706250000000002, 1.1592549999999995].map(
        (value) => expect.closeTo(value, 12) as number,
      ),
    );
    expect(monotoneCubic([0, 2], [1, 5])(0.5)).toBe(2);
    expect(() => monotoneCubic([0], [1])).toThrow(RangeError);
  });

  it('pools points that are not monotone, as scipy.optimize.isotonic_regression does', () => {
    expect(nonIncreasingFit([5, 6, 3, 3.5, 4, 1])).toEqual([5.5, 5.5, 3.5, 3.5, 3.5, 1]);
  });

  it.each([
    [{ images: [1], metric: [1] }, /two or more points/],
    [{ images: [2, 2], metric: [2, 1] }, /must increase/],
    [{ images: [1, 2], metric: [2, 0] }, /metric must be positive/],
    [{ images: [1, 2], metric: [NaN, 1] }, /metric must be positive/],
  ])('refuses %j', (bad, message) => {
    expect(() => logSpeedup(bad, { metric: 1, images: 1 })).toThrow(message);
  });
});

describe('a table of recipes and seeds', () => {
  const rows = [
    [0.41, 0.52, 0.3, 0.47],
    [0.7, 0.95, 0.6, 0.78],
    [-0.1, 0.12, -0.22, 0.05],
  ];
  const table = fitRecipeTable(rows);

  it('has the mean squares of numpy.linalg.lstsq with indicators of recipe and seed', () => {
    expect(table.residualVariance).toBeCloseTo(0.0016805555555555547, 14);
    expect(table.seedVariance).toBeCloseTo(0.05072222222222221, 14);
  });

  it("estimates a recipe's mean with the seeds' variance (scipy.stats.t at 3.4033 degrees of freedom)", () => {
    const estimate = recipeMean(table, 1);
    expect(estimate.standardError).toBeCloseTo(0.06713378020374276, 12);
    expect(estimate.df).toBeCloseTo(3.403291510510021, 10);
    const { low, high } = interval(estimate);
    expect([low, high]).toEqual([expect.closeTo(0.55748281, 7), expect.closeTo(0.95751719, 7)]);
    expect(pValue(estimate)).toBeCloseTo(0.0008164867662120359, 9);
  });

  it('compares two recipes without it', () => {
    const { low, high } = interval(recipeDifference(table, 1, 0), 0.9);
    expect([low, high]).toEqual([expect.closeTo(0.27617197, 7), expect.closeTo(0.38882803, 7)]);
  });

  it('is a paired t test if there are two recipes (scipy.stats.ttest_rel)', () => {
    const pair = fitRecipeTable(rows.slice(0, 2));
    expect(pValue(recipeDifference(pair, 1, 0))).toBeCloseTo(0.002036930727122037, 9);
  });

  it("is Student's interval if there is one recipe (scipy.stats.t.interval(.95, 2, loc=2, scale=1/sqrt(3)))", () => {
    const { low, high, df } = interval(recipeMean(fitRecipeTable([[1, 2, 3]]), 0));
    expect([low, high, df]).toEqual([expect.closeTo(-0.4841377, 6), expect.closeTo(4.4841377, 6), 2]);
  });

  it.each([[[]], [[[1], [2]]], [[[1, 2], [1]]]])('refuses %j', (bad) => {
    expect(() => fitRecipeTable(bad)).toThrow(RangeError);
  });

  it("adjusts p-values by Holm's method (by hand)", () => {
    expect(holm([0.01, 0.04, 0.03, 0.005])).toEqual(
      [0.03, 0.06, 0.06, 0.02].map((p) => expect.closeTo(p, 12) as number),
    );
    expect(holm([0.5, 0.9])).toEqual([1, 1]);
  });
});

describe('randomEffects', () => {
  it('is the estimator of DerSimonian and Laird', () => {
    // By hand: weights 100 and 25, mean 0.58, Q 3.2, variance between (3.2 - 1) / 40, weights 1 / 0.065 and 1 / 0.095.
    const found = randomEffects([
      { value: 0.5, standardError: 0.1 },
      { value: 0.9, standardError: 0.2 },
    ]);
    expect(found.between).toBeCloseTo(0.055, 12);
    expect(found.value).toBeCloseTo((0.5 / 0.065 + 0.9 / 0.095) / (1 / 0.065 + 1 / 0.095), 12);
    expect(found.standardError).toBeCloseTo((1 / 0.065 + 1 / 0.095) ** -0.5, 12);
    expect(found.high - found.value).toBeCloseTo(1.959963984540054 * found.standardError, 8);
  });

  it('is the weighted mean if the estimates agree, or if there is one', () => {
    const one = { value: 0.7, standardError: 0.1 };
    expect(randomEffects([one])).toMatchObject({ value: 0.7, standardError: expect.closeTo(0.1, 12) as number });
    const two = randomEffects([one, { value: 0.72, standardError: 0.1 }]);
    expect([two.between, two.value]).toEqual([0, expect.closeTo(0.71, 12)]);
    expect(() => randomEffects([])).toThrow(RangeError);
    expect(() => randomEffects([{ value: 1, standardError: 0 }])).toThrow(RangeError);
  });
});

describe('speed-ups with bounds', () => {
  const known = (values: readonly number[]): LogSpeedup[] => values.map((value) => ({ value }));
  const speedups = {
    a: known([0.41, 0.52, 0.3, 0.47]),
    b: known([0.7, 0.95, 0.6, 0.78]),
    c: [...known([1.2, 1.3, 1.1]), { value: Math.log(4), bound: 'atLeast' as const }],
  };
  const table = fitSpeedups(speedups);

  it('uses the variances of the known recipes, and has no upper end above a lower bound', () => {
    const [a, c] = [table.estimate('a'), table.estimate('c')];
    expect(a.bounds).toBe(0);
    expect(c.bounds).toBe(1);
    expect(c.high).toBe(Infinity);
    expect(c.value - c.low).toBeCloseTo(a.value - a.low, 12);
    expect(table.difference('a', 'c')).toBeUndefined();
    expect(table.difference('b', 'a')!.value).toBeCloseTo(0.3325, 12);
    expect(() => table.estimate('d')).toThrow(/d.*a, b, c/);
  });

  it('needs no recipe that is known for all seeds', () => {
    const bound = { value: 1, bound: 'atLeast' as const };
    expect(fitSpeedups({ c: [bound, bound] }).estimate('c')).toMatchObject({ low: 1, high: Infinity, bounds: 2 });
    const unknown = { value: 0, bound: 'unknown' as const };
    expect(fitSpeedups({ c: [bound, unknown] }).estimate('c')).toMatchObject({ low: -Infinity, high: Infinity });
  });

  it('counts a seed of which nothing is known in no mean and variance', () => {
    const unknown = { value: 0, bound: 'unknown' as const };
    const more = fitSpeedups({ a: [...speedups.a, unknown], b: [...speedups.b, unknown] });
    const { value, standardError, df } = fitSpeedups({ a: speedups.a, b: speedups.b }).estimate('b');
    expect(more.estimate('b')).toEqual({ value, standardError, df, low: -Infinity, high: Infinity, bounds: 1 });
    expect(more.difference('b', 'a')).toBeUndefined();
  });

  it('refuses recipes that lack a seed', () => {
    expect(() => fitSpeedups({ ...speedups, d: known([1, 2]) })).toThrow(RangeError);
  });
});

/**
 * Metrics of a baseline and of recipes that are `speedup` times as fast: the curve of the pilot (E1 after 1 000, 4 000, and
 * 8,000 steps), continued with falling slope, and noise of 0.3% per run and 0.1% per measurement.
 */
function simulate(draw: number, speedup: number, recipes: number, seeds: number): Record<string, LogSpeedup[]> {
  const images = [4000, 8000, 16_000, 32_000];
  const metric = (n: number) => 0.0545 + 0.0219 * (n / 1000) ** -0.6;
  const of = (index: number) => normal({ seed: 1, stream: 'noise', step: draw, index }, 8);
  return Object.fromEntries(
    Array.from({ length: recipes }, (_, recipe) => [
      `recipe ${recipe}`,
      Array.from({ length: seeds }, (_seed, seed): LogSpeedup => {
        const [run, ...each] = of(seed);
        const [own, measured] = of(100 + recipe * 100 + seed);
        const noise = (ofRun: number, ofPoint: number) => Math.exp(0.003 * ofRun + 0.001 * ofPoint);
        const curve = { images, metric: images.map((n, i) => metric(n) * noise(run!, each[i]!)) };
        return logSpeedup(curve, { metric: metric(8000 * speedup) * noise(own!, measured!), images: 8000 });
      }),
    ]),
  );
}

describe('on simulated runs with a known speed-up', () => {
  const [draws, recipes, seeds] = [2000, 6, 4];

  it.each([1, 1.5, 2])('95 %% intervals contain a speed-up of %d in 93 to 97 %% of 2000 draws', (speedup) => {
    let covered = 0;
    for (let draw = 0; draw < draws; draw++) {
      const { low, high } = fitSpeedups(simulate(draw, speedup, recipes, seeds)).estimate('recipe 0');
      if (low <= Math.log(speedup) && Math.log(speedup) <= high) covered++;
    }
    expect(covered / draws).toBeGreaterThan(0.93);
    expect(covered / draws).toBeLessThan(0.97);
  });

  it('the power to exceed 1.5 is the stated one, within 4%', () => {
    const speedup = 2;
    let found = 0;
    const estimates = [];
    for (let draw = 0; draw < draws; draw++) {
      const estimate = fitSpeedups(simulate(draw, speedup, recipes, seeds)).estimate('recipe 0');
      estimates.push(estimate);
      if (estimate.low > Math.log(1.5)) found++;
    }
    const variance = estimates.reduce((sum, { standardError }) => sum + standardError ** 2, 0) / draws;
    const df = estimates.reduce((sum, one) => sum + one.df, 0) / draws;
    const stated = power({ actual: Math.log(speedup), above: Math.log(1.5), standardError: Math.sqrt(variance), df });
    expect(Math.abs(found / draws - stated)).toBeLessThan(0.04);
  });

  it('power agrees with scipy.stats.nct', () => {
    const options = { actual: Math.log(2.5), above: Math.log(1.5), standardError: 0.2, df: 3 };
    expect(power(options)).toBeCloseTo(0.4212745632057304, 6);
  });
});
