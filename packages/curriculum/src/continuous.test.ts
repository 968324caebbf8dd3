import { describe, expect, it } from 'vitest';
import {
  cellOf,
  continuousCoordinates,
  type ContinuousLevels,
  convertCoordinate,
  normalQuantile,
} from './continuous.js';
import { clts } from './clts.js';
import { cltsReversed, cltsTimeAverage } from './clts-controls.js';
import { incompleteBeta } from './incomplete-beta.js';
import { createTimestepSchedule, timestepScheduleNames } from './registry.js';
import { chiSquareScore, uniforms } from './testing.js';

const T = 100;
const ranges: Record<string, ContinuousLevels> = {
  'flow time': { coordinate: 'flowTime', min: 0, max: 1 },
  'ln sigma': { coordinate: 'lnSigma', min: Math.log(0.002), max: Math.log(80) },
  logSNR: { coordinate: 'logSnr', min: -15, max: 15 },
};
const contextOf = (continuous: ContinuousLevels) => ({ numTimesteps: T, totalSteps: 1000, continuous });
const even = Array.from({ length: 999 }, (_, i) => (i + 1) / 1000);

describe.each(Object.entries(ranges))('over %s', (_, continuous) => {
  const context = contextOf(continuous);

  it.each(timestepScheduleNames)('%s: quantile and sample agree, with the density of the cells', (name) => {
    const schedule = createTimestepSchedule(name, context);
    const state = schedule.initialState?.();
    for (const step of [0, 600, 1000]) {
      const u = uniforms(4000, step + 1);
      const { timesteps, positions, weights } = schedule.sample(step, u, state);
      expect(schedule.quantile!(step, u, state)).toBeAllClose(positions!, { atol: 0 });
      expect(positions!.every(Number.isFinite)).toBe(true);
      expect([...timesteps.subarray(0, 50)]).toEqual(
        [...positions!.subarray(0, 50)].map((x) => cellOf(continuous, T, x)),
      );
      expect(weights).toHaveLength(u.length);
      // The end cells also hold what a closed form has beyond the range; the density by mass is approximate within a cell.
      const density = schedule.density(step, state);
      const inner = timesteps.filter((t) => t > 0 && t < T - 1);
      const mass = density.map((p, t) => (t > 0 && t < T - 1 ? p : 0));
      const whole = mass.reduce((sum, p) => sum + p, 0);
      expect(Math.abs(inner.length / u.length - whole)).toBeLessThan(0.03);
      expect(
        chiSquareScore(
          inner,
          mass.map((p) => p / whole),
        ),
      ).toBeLessThan(6);
    }
  });

  it.each(timestepScheduleNames)('%s: monotone from clean to noisy, finite at u = 0', (name) => {
    const schedule = createTimestepSchedule(name, context);
    const lnSigma = Array.from(schedule.quantile!(500, [0, ...even], schedule.initialState?.()), (x) =>
      convertCoordinate(x, continuous.coordinate, 'lnSigma'),
    );
    for (let i = 1; i < lnSigma.length; i++) expect(lnSigma[i]!).toBeGreaterThanOrEqual(lnSigma[i - 1]!);
    expect(Number.isNaN(lnSigma[0])).toBe(false);
  });
});

describe('closed forms', () => {
  const flow = contextOf(ranges['flow time']!);
  const at = (name: Parameters<typeof createTimestepSchedule>[0], u: number[], options?: object, context = flow) =>
    createTimestepSchedule(name, context, options as never).quantile!(0, u);

  it('uniform is u itself in flow time', () =>
    expect(at('uniform', [0, 0.25, 0.5])).toBeAllClose([0, 0.25, 0.5], { atol: 1e-15 }));

  it('logit-normal, mode and cosmap are the formulas of Esser et al.', () => {
    // torch.sigmoid(torch.distributions.Normal(0.5, 1.3).icdf(u)), PyTorch 2.13
    const logit = [0.2375756783, 0.6224593312, 0.8971560509];
    at('logitNormal', [0.1, 0.5, 0.9], { mean: 0.5, std: 1.3 }).forEach((s, i) => expect(s).toBeCloseTo(logit[i]!, 9));
    const f = (u: number) => 1 - u - 1.29 * (Math.cos((Math.PI * u) / 2) ** 2 - 1 + u);
    expect(at('mode', [0.1, 0.7])).toBeAllClose([f(0.9), f(0.3)], { atol: 1e-14 });
    const cosmap = (u: number) => 1 - 1 / (Math.tan((Math.PI / 2) * u) + 1);
    expect(at('cosmap', [0.1, 0.7])).toBeAllClose([cosmap(0.1), cosmap(0.7)], { atol: 1e-14 });
  });

  it("edm and edm2 are EDM's, beyond the range of the cells too", () => {
    const context = contextOf({ coordinate: 'lnSigma', min: -1, max: 1 });
    const u = [1e-6, 0.3, 0.999];
    const expected = (mean: number, std: number) => u.map((x) => mean + std * normalQuantile(x));
    expect([...at('edm', u, {}, context)]).toEqual(expected(-1.2, 1.2));
    expect([...at('edm2', u, {}, context)]).toEqual(expected(-0.4, 1));
    expect([...createTimestepSchedule('edm', context).sample(0, u).timesteps]).toEqual([0, 0, T - 1]);
  });

  it('Laplace: quantile of logSNR, from clean to noisy', () => {
    const context = contextOf(ranges['logSNR']!);
    expect(at('laplace', [0.25, 0.5, 0.75], { mu: 1, b: 2 }, context)).toBeAllClose(
      [1 + 2 * Math.LN2, 1, 1 - 2 * Math.LN2],
      { atol: 1e-14 },
    );
  });

  it('sigmoid and inverted parabola are the weights of OneTrainer', () => {
    const density = (name: 'sigmoid' | 'invertedParabola', options: object) =>
      createTimestepSchedule(name, flow, options).density(0);
    const s = Float64Array.from({ length: T }, (_, t) => (t + 0.5) / T);
    const normalized = (w: Float64Array) => w.map((v) => v / w.reduce((a, b) => a + b, 0));
    expect(density('sigmoid', { weight: 3, bias: 0.2 })).toBeAllClose(
      normalized(s.map((x) => 1 / (1 + Math.exp(-3 * (x - 0.7))))),
      { atol: 1e-14 },
    );
    expect(density('invertedParabola', { weight: 20, bias: -0.1 })).toBeAllClose(
      normalized(s.map((x) => Math.max(0, 2 - 20 * (x - 0.4) ** 2))),
      { atol: 1e-14 },
    );
  });
});

describe('CLTS in continuous time', () => {
  it.each([
    ['flowTime', 0.3, 0.2],
    ['lnSigma', -1, 0.8],
    ['logSnr', 1, 1.5],
  ] as const)('over flow time, with the Gaussian in %s', (coordinate, mu, sigma) => {
    const fine = { ...contextOf(ranges['flow time']!), numTimesteps: 1000 };
    const schedule = clts(fine, { coordinate, mu, sigma, lambdaMax: 0.8 });
    // The mixture's CDF, by a sum a hundred times as fine.
    const n = 100_000;
    const g = Float64Array.from({ length: n }, (_, i) => {
      const c = convertCoordinate((i + 0.5) / n, 'flowTime', coordinate);
      return Math.exp(-((c - mu) ** 2) / (2 * sigma ** 2));
    });
    const total = g.reduce((a, b) => a + b, 0);
    for (const step of [0, 500, 1000]) {
      const lambda = 0.8 * (step / 1000);
      const s = schedule.quantile!(step, even);
      let [at, sum] = [0, 0];
      for (const [i, u] of even.entries()) {
        for (; at < n && (at + 0.5) / n <= s[i]!; at++) sum += (1 - lambda) / n + (lambda * g[at]!) / total;
        expect(Math.abs(sum - u)).toBeLessThan(1e-4);
      }
    }
  });

  it('controls: reversed, and the average over the run', () => {
    const context = contextOf(ranges['ln sigma']!);
    const options = { coordinate: 'lnSigma', mu: -1, sigma: 1 } as const;
    const forward = clts(context, options);
    expect(cltsReversed(context, options).quantile!(999, even)).toEqual(forward.quantile!(0, even));
    expect(cltsTimeAverage(context, options).quantile!(0, even)).toBeAllClose(forward.quantile!(500, even), {
      atol: 0.01,
    });
  });
});

describe('special functions', () => {
  it('normal quantiles are those of SciPy', () => {
    // scipy.stats.norm.ppf, SciPy 1.17
    const rows: [number, number][] = [
      [1e-16, -8.222082216130435],
      [1e-9, -5.9978070150076865],
      [0.01, -2.3263478740408408],
      [0.3, -0.5244005127080409],
      [0.5, 0],
      [0.975, 1.959963984540054],
    ];
    for (const [p, z] of rows) expect(normalQuantile(p)).toBeCloseTo(z, 12);
  });

  it('incomplete beta function', () => {
    const rows: [number, number, number, number][] = [
      // scipy.special.betainc, SciPy 1.17
      [0.1, 2, 3, 0.0523],
      [0.7, 2, 5, 0.989065],
      [0.5, 0.5, 0.5, 0.5],
      [0.9, 30, 1.5, 0.09478768114961164],
    ];
    for (const [x, a, b, value] of rows) expect(incompleteBeta(x, a, b)).toBeCloseTo(value, 12);
    expect([incompleteBeta(0, 2, 3), incompleteBeta(1, 2, 3)]).toEqual([0, 1]);
  });
});

describe('refuses', () => {
  it.each<[object, string[]]>([
    [{ coordinate: 'time', min: 0, max: 1 }, ['continuous.coordinate', continuousCoordinates.join(', '), '"time"']],
    [{ coordinate: 'lnSigma', min: 1, max: 1 }, ['continuous.max', '> 1', 'got 1']],
    [{ coordinate: 'lnSigma', min: NaN, max: 1 }, ['continuous.min', 'NaN']],
    [{ coordinate: 'flowTime', min: 0, max: 2 }, ['continuous.max', '[0, 1]', 'got 2']],
    [{ coordinate: 'flowTime', min: -1, max: 1 }, ['continuous.min', '[0, 1]', 'got -1']],
  ])('%j', (continuous, contains) => {
    expect(() => clts(contextOf(continuous as ContinuousLevels))).toThrowWith({ type: RangeError, contains });
  });

  it('a number outside [0, 1)', () => {
    const schedule = createTimestepSchedule('edm', contextOf(ranges['ln sigma']!));
    expect(() => schedule.quantile!(0, [1])).toThrowWith({ type: RangeError, contains: ['[0, 1)', 'entry 0 is 1'] });
  });
});
