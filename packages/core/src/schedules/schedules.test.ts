import { describe, expect, test } from 'vitest';
import fixture from '../fixtures/schedules.json' with { type: 'json' };
import {
  alphaCumprodFromEdmSigma,
  alphaCumprodFromLogSnr,
  edmSigmas,
  logSnrs,
  snrs,
  timestepOfEdmSigma,
  timestepOfLogSnr,
} from './accessors.js';
import { cosineSchedule } from './cosine.js';
import { linearSchedule } from './linear.js';
import { type NoiseScheduleConfig, noiseScheduleFromConfig } from './registry.js';
import { type NoiseSchedule, scheduleFromBetas } from './schedule.js';
import { rescaleZeroTerminalSnr } from './zero-terminal-snr.js';

describe('golden numbers in float64', () => {
  // Computed apart from this code, in float64, to twelve digits.
  test.each([
    [0, 0.9999],
    [1, 0.999780092072],
    [10, 0.997806572508],
    [100, 0.895141590898],
    [200, 0.656347005519],
    [300, 0.394011122523],
    [500, 0.077796658365],
    [700, 0.00686827889036],
    [900, 2.70244519558e-4],
    [999, 4.03582976538e-5],
  ])('linear, t = %i', (t, abar) => expect([linearSchedule().alphasCumprod[t]!]).toBeAllClose([abar], { rtol: 1e-11 }));

  test.each([
    [0, 0.999958715775],
    [100, 0.971575681808],
    [300, 0.785632412772],
    [500, 0.492285172449],
    [900, 0.0236161087944],
    [999, 2.42876690703e-9],
  ])('cosine, t = %i', (t, abar) => expect([cosineSchedule().alphasCumprod[t]!]).toBeAllClose([abar], { rtol: 1e-11 }));
});

// diffusers computes in float32, and rescaled tails there are a difference of neighbors.
describe('diffusers', () => {
  test.each(fixture)('$config', ({ config, at, alphasCumprod }) => {
    const schedule = noiseScheduleFromConfig(config as NoiseScheduleConfig);
    const chosen = at.map((t) => schedule.alphasCumprod[t]!);
    expect(chosen).toBeAllClose(alphasCumprod, { rtol: 2e-5, atol: 1e-9 });
  });
});

describe('every schedule', () => {
  test.each<NoiseScheduleConfig>([
    { name: 'linear' },
    { name: 'scaled-linear', numTimesteps: 50 },
    { name: 'cosine', numTimesteps: 4000 },
    { name: 'sigmoid' },
    { name: 'betas', betas: [0.1, 0.2, 0.3] },
    { name: 'linear', zeroTerminalSnr: true },
    { name: 'cosine', zeroTerminalSnr: true },
  ])('$name: betas in range, abar decreasing and their product', (config) => {
    const { betas, alphasCumprod, numTimesteps } = noiseScheduleFromConfig(config);
    expect(betas).toHaveLength(numTimesteps);
    let product = 1;
    betas.forEach((beta, t) => {
      expect(beta).toBeGreaterThan(0);
      expect(beta).toBeLessThanOrEqual(1);
      product *= 1 - beta;
      expect([product]).toBeAllClose([alphasCumprod[t]!], { rtol: 1e-9 });
      expect(alphasCumprod[t]!).toBeLessThan(alphasCumprod[t - 1] ?? 1);
    });
  });

  test('one timestep', () => {
    expect([...linearSchedule({ numTimesteps: 1 }).betas]).toEqual([1e-4]);
  });
});

describe('zero terminal SNR', () => {
  const schedule = rescaleZeroTerminalSnr(linearSchedule());
  test('ends at 0 exactly and begins as before', () => {
    expect(schedule.alphasCumprod[999]).toBe(0);
    expect(schedule.betas[999]).toBe(1);
    expect([schedule.alphasCumprod[0]!]).toBeAllClose([0.9999], { rtol: 1e-12 });
  });
  test('is what its betas make', () => {
    expect(scheduleFromBetas(schedule.betas).alphasCumprod[999]).toBe(0);
  });
  test('needs two timesteps', () => {
    expect(() => rescaleZeroTerminalSnr(linearSchedule({ numTimesteps: 1 }))).toThrowWith({
      type: RangeError,
      contains: ['linear', '2'],
    });
  });
});

describe('accessors', () => {
  const schedule = linearSchedule();
  test('SNR is 0.65 at t = 300; log-SNR crosses 0 at t = 258, on the cosine schedule at t = 495', () => {
    expect(snrs(schedule)[300]).toBeCloseTo(0.65, 2);
    expect(Math.round(timestepOfLogSnr(schedule, 0))).toBe(258);
    expect(Math.round(timestepOfLogSnr(cosineSchedule(), 0))).toBe(495);
  });

  test.each([linearSchedule(), cosineSchedule()])('there and back: $name', (s: NoiseSchedule) => {
    for (const t of [0, 1, 257, 500, 998, 999]) {
      const abar = s.alphasCumprod[t]!;
      expect([alphaCumprodFromEdmSigma(edmSigmas(s)[t]!)]).toBeAllClose([abar], { rtol: 1e-6 });
      expect([alphaCumprodFromLogSnr(logSnrs(s)[t]!)]).toBeAllClose([abar], { rtol: 1e-6 });
      expect([Math.exp(logSnrs(s)[t]!)]).toBeAllClose([snrs(s)[t]!], { rtol: 1e-12 });
      expect(timestepOfEdmSigma(s, edmSigmas(s)[t]!)).toBeCloseTo(t, 6);
      expect(timestepOfLogSnr(s, logSnrs(s)[t]!)).toBeCloseTo(t, 6);
    }
  });

  test('between timesteps ln sigma is linear; outside, the ends', () => {
    const sigmas = edmSigmas(schedule);
    expect(timestepOfEdmSigma(schedule, Math.sqrt(sigmas[400]! * sigmas[401]!))).toBeCloseTo(400.5, 9);
    expect(timestepOfEdmSigma(schedule, 1e-9)).toBe(0);
    expect(timestepOfEdmSigma(schedule, 1e9)).toBe(999);
  });

  test('pure noise has a place as well', () => {
    const zero = rescaleZeroTerminalSnr(schedule);
    expect([edmSigmas(zero)[999], snrs(zero)[999], logSnrs(zero)[999]]).toEqual([Infinity, 0, -Infinity]);
    expect(timestepOfLogSnr(zero, -Infinity)).toBe(999);
    expect(timestepOfEdmSigma(zero, Infinity)).toBe(999);
    expect(timestepOfEdmSigma(zero, 1e6)).toBe(998);
    expect(alphaCumprodFromEdmSigma(Infinity)).toBe(0);
    expect(alphaCumprodFromLogSnr(-Infinity)).toBe(0);
    expect(alphaCumprodFromLogSnr(Infinity)).toBe(1);
  });

  test('refuse what is no noise level', () => {
    expect(() => timestepOfEdmSigma(schedule, 0)).toThrowWith({
      type: RangeError,
      contains: ['sigma', '> 0', 'got 0'],
    });
    expect(() => timestepOfLogSnr(schedule, NaN)).toThrowWith({ type: RangeError, contains: ['logSnr', 'NaN'] });
    expect(() => alphaCumprodFromEdmSigma(-1)).toThrowWith({ type: RangeError, contains: ['>= 0', 'got -1'] });
    expect(() => alphaCumprodFromLogSnr(NaN)).toThrowWith({ type: RangeError, contains: ['logSnr', 'NaN'] });
  });
});

test.each<[object, string[]]>([
  [{ name: 'exponential' }, ['"exponential"', 'linear, scaled-linear, cosine, sigmoid, betas']],
  [{ name: 'linear', maxBeta: 1 }, ['"linear"', '"maxBeta"', 'numTimesteps, betaStart, betaEnd']],
  [{ name: 'linear', numTimesteps: 0 }, ['numTimesteps', '>= 1', 'got 0']],
  [{ name: 'sigmoid', betaEnd: 1 }, ['betaEnd', '(0, 1)', 'got 1']],
  [{ name: 'cosine', maxBeta: 1 }, ['maxBeta', '(0, 1)', 'got 1']],
  [{ name: 'betas', betas: [] }, ['"betas"', 'one beta']],
  [{ name: 'betas' }, ['"betas"', 'one beta']],
  [{ name: 'betas', betas: [0.1, NaN] }, ['beta 1', '(0, 1)', 'got NaN']],
  [{ name: 'betas', betas: [1, 0.1] }, ['beta 0', '(0, 1)', 'got 1']],
])('refuses %j', (config, contains) => {
  expect(() => noiseScheduleFromConfig(config as NoiseScheduleConfig)).toThrowWith({ type: RangeError, contains });
});
