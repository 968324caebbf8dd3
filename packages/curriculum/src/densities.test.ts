import { describe, expect, it } from 'vitest';
import {
  betaTimesteps,
  cosmapTimesteps,
  edm2Timesteps,
  edmTimesteps,
  laplaceTimesteps,
  logitNormalTimesteps,
  modeTimesteps,
} from './densities.js';
import { speed } from './speed.js';
import type { TimestepSchedule } from './schedule.js';
import { linearAlphasCumprod, wideAlphasCumprod } from './testing.js';

// So fine and wide that the discrete quantiles equal those of the continuous density to four digits.
const [lnSigmaMin, lnSigmaMax, T] = [-12, 12, 48_000];
const context = { numTimesteps: T, totalSteps: 1, alphasCumprod: wideAlphasCumprod(T, lnSigmaMin, lnSigmaMax) };

/** The q-quantile of ln sigma. */
function lnSigmaQuantile(schedule: TimestepSchedule, q: number): number {
  const density = schedule.density(0);
  let sum = 0;
  let t = 0;
  while (sum + density[t]! < q) sum += density[t++]!;
  return lnSigmaMin + ((lnSigmaMax - lnSigmaMin) * (t + (q - sum) / density[t]!)) / T;
}

const flowTimeQuantile = (schedule: TimestepSchedule, q: number): number =>
  1 / (1 + Math.exp(-lnSigmaQuantile(schedule, q)));

/** The 90% quantile of the standard normal distribution. */
const Z90 = 1.2815515655446004;

describe('densities in a continuous noise level', () => {
  it('edm is N(-1.2, 1.2^2) in ln sigma', () => {
    // exp(-1.2 - 1.2 Z90), exp(-1.2), exp(-1.2 + 1.2 Z90)
    expect(Math.exp(lnSigmaQuantile(edmTimesteps(context), 0.1))).toBeCloseTo(0.0647, 4);
    expect(Math.exp(lnSigmaQuantile(edmTimesteps(context), 0.5))).toBeCloseTo(0.3012, 4);
    expect(Math.exp(lnSigmaQuantile(edmTimesteps(context), 0.9))).toBeCloseTo(1.402, 3);
  });

  it('edm2 is N(-0.4, 1) in ln sigma', () => {
    expect(lnSigmaQuantile(edm2Timesteps(context), 0.5)).toBeCloseTo(-0.4, 4);
    expect(lnSigmaQuantile(edm2Timesteps(context), 0.9)).toBeCloseTo(-0.4 + Z90, 4);
  });

  it('laplace has quantiles mu -+ b ln(1 / (2 q)) in logSNR = -2 ln sigma', () => {
    const schedule = laplaceTimesteps(context, { mu: 1, b: 0.5 });
    expect(-2 * lnSigmaQuantile(schedule, 0.5)).toBeCloseTo(1, 3);
    expect(-2 * lnSigmaQuantile(schedule, 0.9)).toBeCloseTo(1 - 0.5 * Math.log(5), 3);
    expect(-2 * lnSigmaQuantile(schedule, 0.1)).toBeCloseTo(1 + 0.5 * Math.log(5), 3);
  });

  it('logitNormal is normal in logit(s) = ln sigma', () => {
    const schedule = logitNormalTimesteps(context, { mean: 0.5, std: 2 });
    expect(lnSigmaQuantile(schedule, 0.5)).toBeCloseTo(0.5, 3);
    expect(lnSigmaQuantile(schedule, 0.9)).toBeCloseTo(0.5 + 2 * Z90, 3);
  });

  it.each([1.29, 0, -0.5, 1.7])('mode with scale %f has s = f(u)', (scale) => {
    const f = (u: number): number => 1 - u - scale * (Math.cos((Math.PI * u) / 2) ** 2 - 1 + u);
    const schedule = modeTimesteps(context, { scale });
    for (const q of [0.1, 0.3, 0.5, 0.8]) expect(flowTimeQuantile(schedule, q)).toBeCloseTo(f(1 - q), 3);
  });

  it('cosmap has s = 1 - 1 / (tan(pi u / 2) + 1)', () => {
    for (const q of [0.05, 0.25, 0.5, 0.9]) {
      expect(flowTimeQuantile(cosmapTimesteps(context), q)).toBeCloseTo(1 - 1 / (Math.tan((Math.PI * q) / 2) + 1), 4);
    }
  });

  it('converts by mass: the probability of a range of noise levels does not depend on the noise schedule', () => {
    const other = { numTimesteps: 1000, totalSteps: 1, alphasCumprod: linearAlphasCumprod(1000) };
    const share = (schedule: TimestepSchedule, abar: ArrayLike<number>): number =>
      schedule.density(0).reduce((sum, p, t) => {
        const logSnr = Math.log(abar[t]! / (1 - abar[t]!));
        return logSnr > -0.5 && logSnr < 0.5 ? sum + p : sum;
      }, 0);
    // The mass of the Laplace distribution within 0.5 of its center is 1 - exp(-0.5 / 0.5).
    expect(share(laplaceTimesteps(context), context.alphasCumprod)).toBeCloseTo(1 - Math.exp(-1), 3);
    expect(share(laplaceTimesteps(other), other.alphasCumprod)).toBeCloseTo(1 - Math.exp(-1), 2);
  });

  it('gives no mass to zero terminal SNR', () => {
    const alphasCumprod = linearAlphasCumprod(1000);
    alphasCumprod[999] = 0;
    const zero = { numTimesteps: 1000, totalSteps: 1, alphasCumprod };
    expect(edmTimesteps(zero).density(0)[999]).toBe(0);
    expect(logitNormalTimesteps(zero).density(0)[999]).toBe(0);
    expect(edmTimesteps(zero).density(0).every(Number.isFinite)).toBe(true);
  });

  it.each<[() => unknown, string[]]>([
    [() => edmTimesteps(context, { std: 0 }), ['edm: std', '> 0', 'got 0']],
    [() => laplaceTimesteps(context, { b: -1 }), ['laplace: b', '> 0', 'got -1']],
    [() => modeTimesteps(context, { scale: 2 }), ['mode: scale', '(-1', 'got 2']],
  ])('rejects values out of range %#', (make, contains) => {
    expect(make).toThrowWith({ type: RangeError, contains });
  });
});

describe('densities in t', () => {
  const plain = { numTimesteps: 1000, totalSteps: 1, alphasCumprod: linearAlphasCumprod(1000) };

  it('beta has P(t < n) = (n / T)^a', () => {
    const density = betaTimesteps(plain, { a: 0.6 }).density(0);
    expect(density.slice(0, 250).reduce((a, b) => a + b, 0)).toBeCloseTo(0.25 ** 0.6, 12);
    betaTimesteps(plain, { a: 1 })
      .density(0)
      .forEach((p) => expect(p).toBeCloseTo(0.001, 14));
  });

  it('speed has k / (T + tau (k - 1)) up to tau: 5 / 3800 and 1 / 3800', () => {
    const density = speed(plain).density(0);
    expect(density[0]).toBeCloseTo(5 / 3800, 15);
    expect(density[699]).toBeCloseTo(5 / 3800, 15);
    expect(density[700]).toBeCloseTo(1 / 3800, 15);
  });

  it('speed weights by the change of 1 - abar, within [1 - ceiling, ceiling]', () => {
    const all = Float64Array.from({ length: 1000 }, (_, i) => (i + 0.5) / 1000);
    const { timesteps, weights } = speed(plain, { k: 1 }).sample(0, all);
    expect([...timesteps]).toEqual(Array.from({ length: 1000 }, (_, t) => t));
    expect(Math.max(...weights)).toBeCloseTo(0.6, 6);
    expect(Math.min(...weights)).toBeCloseTo(0.4, 6);
    // beta_t abar_(t-1) of the linear schedule is largest at t = 219 (NumPy).
    expect(weights.indexOf(Math.max(...weights))).toBe(219);
    expect(new Set(speed(plain, { weightCeiling: null }).sample(0, all).weights)).toEqual(new Set([1]));
  });
});
