import { describe, expect, it } from 'vitest';
import { clts, cltsDefaults, cltsGaussians } from './clts.js';
import { cltsCorrected, cltsLogSnr, cltsReversed, cltsTimeAverage, cltsWide } from './clts-controls.js';
import { coordinates } from './coordinates.js';
import type { CltsOptions } from './clts.js';
import { uniformTimesteps } from './densities.js';
import { cosineAlphasCumprod, linearAlphasCumprod, uniforms, wideAlphasCumprod } from './testing.js';

const T = 1000;
const totalSteps = 10_000;
const context = { numTimesteps: T, totalSteps, alphasCumprod: linearAlphasCumprod(T) };
const moments = [0, 2500, 5000, 7500, 10_000];

const sum = (p: Float64Array, from = 0): number => p.slice(from).reduce((a, b) => a + b, 0);

/** The formula, written out for the linear ramp and the coordinate t / T. */
function closedForm(step: number, { mu, sigma, lambdaMax } = cltsDefaults): Float64Array {
  const lambda = lambdaMax * Math.min(1, step / totalSteps);
  const g = Array.from({ length: T }, (_, t) => Math.exp(-0.5 * ((t / T - mu) / sigma) ** 2));
  const total = g.reduce((a, b) => a + b, 0);
  return Float64Array.from(g, (value) => (1 - lambda) / T + (lambda * value) / total);
}

describe('clts', () => {
  it('has the closed-form density at five steps', () => {
    const schedule = clts(context);
    for (const step of moments) {
      const expected = closedForm(step);
      const density = schedule.density(step);
      expect(sum(density)).toBeCloseTo(1, 12);
      expect(density).toBeAllClose(expected, { atol: 1e-15 });
    }
  });

  it('is exactly uniform at lambda = 0 and draws the same timesteps as the uniform schedule', () => {
    const u = uniforms(100_000, 1);
    const schedule = clts(context);
    expect(schedule.density(0)).toEqual(uniformTimesteps(context).density(0));
    expect(schedule.sample(0, u)).toEqual(uniformTimesteps(context).sample(0, u));
    expect(uniformTimesteps(context).sample(0, u).timesteps).toEqual(Int32Array.from(u, (x) => Math.floor(x * T)));
  });

  it('moves mass away from the easier half t >= T/2, step by step', () => {
    const schedule = clts(context);
    const masses = Array.from({ length: 101 }, (_, i) => sum(schedule.density(i * 100), T / 2));
    expect(masses[0]).toBeCloseTo(0.5, 12);
    for (let i = 1; i < masses.length; i++) expect(masses[i]!).toBeLessThan(masses[i - 1]!);
  });

  // Reference values: the formula evaluated in Python.
  it.each([
    [1, 0.476],
    [0.3, 0.29],
    [0.2, 0.17],
    [0.1, 0.02],
  ])('sigma %f: the Gaussian has mass %f on t >= T/2', (sigma, mass) => {
    const density = clts(context, { sigma, lambdaMax: 1 }).density(totalSteps);
    expect(sum(density, T / 2)).toBeCloseTo(mass, sigma === 1 ? 3 : 2);
  });

  it('departs from uniform early, and has no spike at a single timestep', () => {
    const schedule = clts(context);
    // A public re-implementation has an operator-precedence bug that keeps the density uniform until the very end,
    // where it spikes. With a linear ramp, the total variation distance from uniform halfway is half the final
    // distance.
    const distance = (step: number): number => schedule.density(step).reduce((d, p) => d + Math.abs(p - 1 / T) / 2, 0);
    expect(distance(totalSteps / 2) / distance(totalSteps)).toBeCloseTo(0.5, 10);
    expect(distance(totalSteps)).toBeGreaterThan(0.25);
    // The uniform part 0.2, plus 0.8 times the Gaussian's peak 1 / (0.2 sqrt(2 pi)) divided by its mass within [0, 1).
    const mass = 0.93296;
    expect(Math.max(...schedule.density(totalSteps)) * T).toBeCloseTo(
      0.2 + 0.8 / (0.2 * Math.sqrt(2 * Math.PI) * mass),
      2,
    );
    expect(Math.min(...schedule.density(totalSteps)) * T).toBeGreaterThan(0.2);
  });

  it('implements each ramp; lambda is constant after rampSteps', () => {
    const floorAt = (options: Partial<CltsOptions>, step: number): number =>
      // Far from the center only the uniform part (1 - lambda) / T remains.
      1 - clts(context, { sigma: 0.02, lambdaMax: 1, rampSteps: 1000, ...options }).density(step)[T - 1]! * T;
    expect(floorAt({ ramp: 'linear' }, 250)).toBeCloseTo(0.25, 12);
    expect(floorAt({ ramp: 'cosine' }, 250)).toBeCloseTo((1 - Math.SQRT1_2) / 2, 12);
    expect(floorAt({ ramp: 'step' }, 999)).toBeCloseTo(0, 12);
    for (const ramp of ['linear', 'cosine', 'step'] as const) {
      expect(floorAt({ ramp }, 1000)).toBeCloseTo(1, 12);
      expect(floorAt({ ramp }, 5000)).toBeCloseTo(1, 12);
    }
  });

  // The last column is the timestep at which the coordinate equals mu.
  it.each([
    ['noiseStd', 0.3, 0.1, linearAlphasCumprod(), 92],
    ['noiseVariance', 0.3, 0.1, linearAlphasCumprod(), 184],
    ['logSnr', 0, 2, linearAlphasCumprod(), 258],
    ['logSnr', 0, 2, cosineAlphasCumprod(), 495],
    ['time', 0.3, 0.2, linearAlphasCumprod(), 300],
  ] as const)('coordinate %s: the density peaks at mu %f', (coordinate, mu, sigma, alphasCumprod, peak) => {
    const density = clts({ ...context, alphasCumprod }, { coordinate, mu, sigma }).density(totalSteps);
    expect(Math.abs(density.indexOf(Math.max(...density)) - peak)).toBeLessThanOrEqual(1);
  });

  it('supports zero terminal SNR in logSNR', () => {
    const alphasCumprod = linearAlphasCumprod(T);
    alphasCumprod[T - 1] = 0;
    const density = cltsLogSnr({ ...context, alphasCumprod }).density(totalSteps);
    expect(density[T - 1]).toBeCloseTo(0.2 / T, 15);
    expect(sum(density)).toBeCloseTo(1, 12);
  });

  it.each<[Partial<CltsOptions>, string[]]>([
    [{ sigma: 0 }, ['sigma', '> 0', 'got 0']],
    [{ sigma: NaN }, ['sigma', '> 0', 'got NaN']],
    [{ lambdaMax: 1.5 }, ['lambdaMax', '[0, 1]', 'got 1.5']],
    [{ rampSteps: 0 }, ['rampSteps', '>= 1', 'got 0']],
    [{ rampShare: 1.5 }, ['rampShare', '(0, 1]', '1.5']],
    [{ rampShare: 0.5, rampSteps: 10 }, ['rampShare 0.5', 'rampSteps 10']],
    [{ mu: 50 }, ['total mass 0']],
    [{ coordinate: 'snr' } as unknown as Partial<CltsOptions>, ['coordinate', 'time, noiseStd', '"snr"']],
    [{ sigmas: 1 } as unknown as Partial<CltsOptions>, ['"sigmas"', 'coordinate, mu']],
  ])('rejects %j', (options, contains) => {
    expect(() => clts(context, options)).toThrowWith({ type: RangeError, contains: ['clts', ...contains] });
  });

  const bare = { numTimesteps: T, totalSteps };
  it.each<[string, () => unknown, string[]]>([
    ['a missing alphasCumprod', () => clts(bare, { coordinate: 'logSnr' }), ['clts', 'logSnr', 'alphasCumprod']],
    ['a wrong length', () => cltsLogSnr({ ...bare, alphasCumprod: [0.5] }), ['alphasCumprod has 1', 'is 1000']],
    [
      'a rising alphasCumprod',
      () => cltsLogSnr({ numTimesteps: 2, totalSteps, alphasCumprod: [0.5, 0.6] }),
      ['alphasCumprod', 'entry 1', '0.6'],
    ],
    ['u = 1', () => clts(context).sample(0, [0.2, 1]), ['[0, 1)', 'entry 1 is 1']],
    ['u = NaN', () => clts(context).sample(0, [NaN]), ['[0, 1)', 'entry 0 is NaN']],
  ])('rejects %s', (_, act, contains) => {
    expect(act).toThrowWith({ type: RangeError, contains });
  });
});

describe('controls of clts', () => {
  it('cltsReversed is CLTS backwards', () => {
    for (const step of [0, 1, 5000, totalSteps - 1]) {
      expect(cltsReversed(context).density(step)).toEqual(clts(context).density(totalSteps - 1 - step));
    }
    expect(cltsReversed(context).density(totalSteps - 1)).toEqual(uniformTimesteps(context).density(0));
  });

  it.each(['linear', 'cosine', 'step'] as const)('cltsTimeAverage is the mean over all steps (%s ramp)', (ramp) => {
    const short = { ...context, totalSteps: 200 };
    const options = { ramp, rampSteps: 150 };
    const mean = new Float64Array(T);
    for (let step = 0; step < 200; step++) {
      clts(short, options)
        .density(step)
        .forEach((p, t) => (mean[t]! += p / 200));
    }
    const density = cltsTimeAverage(short, options).density(17);
    expect(density).toBeAllClose(mean, { atol: 1e-15 });
  });

  it('cltsCorrected refuses to be uncorrected', () => {
    expect(() => cltsCorrected(context, { importanceCorrection: false })).toThrowWith({
      type: RangeError,
      contains: ['cltsCorrected', 'importanceCorrection'],
    });
  });

  it('cltsCorrected leaves means over timesteps unbiased (integrated over u)', () => {
    const u = Float64Array.from({ length: 1_000_000 }, (_, i) => (i + 0.5) / 1_000_000);
    const f = (t: number): number => 1 + Math.sin(t / 90) + (t / T) ** 2;
    let exact = 0;
    for (let t = 0; t < T; t++) exact += f(t) / T;
    const meanOf = (schedule: ReturnType<typeof clts>, step: number): number => {
      const { timesteps, weights } = schedule.sample(step, u);
      return timesteps.reduce((total, t, n) => total + weights[n]! * f(t), 0) / u.length;
    };
    for (const step of moments) expect(meanOf(cltsCorrected(context), step)).toBeCloseTo(exact, 4);
    // CLTS without the correction is biased.
    expect(Math.abs(meanOf(clts(context), totalSteps) - exact)).toBeGreaterThan(0.05);
  });

  it('cltsCorrected without a uniform part has an effective sample size below 8%', () => {
    const density = cltsCorrected(context, { lambdaMax: 1 }).density(totalSteps);
    // The relative effective sample size of weights 1 / (T p) under p is 1 / sum(1 / (T^2 p)).
    const share = 1 / density.reduce((total, p) => total + 1 / (T * T * p), 0);
    expect(share).toBeCloseTo(0.073, 3);
  });
});

describe('the default Gaussians of coordinates', () => {
  const others = coordinates.filter((coordinate) => coordinate !== 'time');
  const defaults = { coordinateDefaults: true, rampSteps: 1, lambdaMax: 1 };
  // logSNR from 0.2 to -0.2.
  const near = { numTimesteps: 401, totalSteps: 10, alphasCumprod: wideAlphasCumprod(401, -0.1, 0.1) };

  it.each(others)('of %s is exp(-logSNR^2 / 8) near equal signal and noise', (coordinate) => {
    const g = clts(near, { ...defaults, coordinate }).density(1);
    const logSnr = Array.from(near.alphasCumprod, (abar) => Math.log(abar / (1 - abar)));
    const expected = logSnr.map((x) => Math.exp(-(x ** 2) / 8));
    const middle = g[200]!;
    expect(g.map((p) => p / middle)).toBeAllClose(expected, { atol: 1e-3 });
    expect(expected[0]).toBeLessThan(0.996);
  });

  it('are those of t / T for every coordinate without coordinateDefaults', () => {
    for (const coordinate of coordinates) {
      const explicit = clts(context, { coordinate, mu: 0.3, sigma: 0.2 });
      expect(clts(context, { coordinate }).density(5000)).toEqual(explicit.density(5000));
    }
    expect(clts(context, { coordinateDefaults: true }).density(5000)).toEqual(clts(context).density(5000));
  });

  it('are used by the variants, and replaced by explicit values', () => {
    const options = { coordinate: 'logSnr', coordinateDefaults: true } as const;
    const inLogSnr = (more: object) => clts(context, { coordinate: 'logSnr', mu: 0, sigma: 2, ...more }).density(5000);
    expect(cltsCorrected(context, options).density(5000)).toEqual(inLogSnr({}));
    expect(clts(context, { ...options, sigma: 1 }).density(5000)).toEqual(inLogSnr({ sigma: 1 }));
    const wide = { lambdaMax: 1, rampShare: 0.75 };
    expect(cltsWide(context, options).density(5000)).toEqual(inLogSnr({ ...wide, sigma: 5 }));
    expect(cltsWide(context).density(5000)).toEqual(clts(context, { ...wide, sigma: 0.5 }).density(5000));
    expect(cltsGaussians.logSnr).toEqual({ mu: 0, sigma: 2 });
  });
});
