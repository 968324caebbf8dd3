import { describe, expect, it } from 'vitest';
import { biasCorrection } from './bias-correction.js';
import { constantLr, cosineLr, inverseSqrtLr, linearLr, withWarmup } from './lr-schedules.js';
import { demon, momentumDecay } from './momentum-decay.js';
import { product } from './step-schedule.js';

describe('momentumDecay', () => {
  const totalSteps = 1000;

  // METHOD: tau 0/.2/.4/.6/.8/1: beta .9/.878/.844/.783/.643/0; lr/lr0 1/.82/.64/.46/.28/.10.
  it.each([
    [0, 0.9, 1],
    [200, 0.878, 0.82],
    [400, 0.844, 0.64],
    [600, 0.783, 0.46],
    [800, 0.643, 0.28],
    [1000, 0, 0.1],
  ])('at step %i of 1000 has beta %f and lr / lr0 %f', (step, beta, ratio) => {
    const { lr, beta1 } = momentumDecay({ lr: 2e-4, totalSteps });
    expect(beta1(step)).toBeCloseTo(beta, 3);
    expect(lr(step) / 2e-4).toBeCloseTo(ratio, 12);
  });

  it.each([0.5, 0.9, 0.99])('with b0 = %f lowers lr linearly: lr / lr0 = 1 - b0 tau to 1e-12', (b0) => {
    const { lr } = momentumDecay({ lr: 3e-4, totalSteps, b0 });
    for (let step = 0; step <= totalSteps; step++) {
      expect(Math.abs(lr(step) / 3e-4 - (1 - (b0 * step) / totalSteps))).toBeLessThan(1e-12);
    }
  });

  it('keeps lr (1 - beta), the coefficient of the newest gradient', () => {
    const { lr, beta1 } = momentumDecay({ lr: 1, totalSteps });
    for (let step = 0; step <= totalSteps; step += 50) expect(lr(step) * (1 - beta1(step))).toBeCloseTo(0.1, 14);
  });

  it('without compensation is Demon with the given learning rate', () => {
    const { lr, beta1 } = momentumDecay({ lr: 1e-3, totalSteps, compensate: false });
    for (const step of [0, 123, 999, 1000]) {
      expect(lr(step)).toBe(1e-3);
      expect(beta1(step)).toBe(demon({ totalSteps })(step));
    }
  });

  it('multiplies a schedule such as a warm-up, and holds its last values after the run', () => {
    const { lr, beta1 } = momentumDecay({ lr: withWarmup(1, 10), totalSteps });
    expect(lr(4)).toBeCloseTo(0.5 * (1 - (0.9 * 4) / totalSteps), 12);
    expect(lr(5000)).toBeCloseTo(0.1, 12);
    expect(beta1(5000)).toBe(0);
  });

  it('refuses impossible values', () => {
    expect(() => momentumDecay({ lr: 1, totalSteps, b0: 1 })).toThrow('momentumDecay: b0 must be in (0, 1), got 1');
    expect(() => momentumDecay({ lr: 1, totalSteps: 0 })).toThrow(/totalSteps must be an integer >= 1, got 0/);
    expect(() => demon({ totalSteps, b0: 2 })).toThrow(/demon: b0 must be in \(0, 1\), got 2/);
  });
});

describe('biasCorrection', () => {
  it('is 1 - beta^(step + 1) for a constant beta', () => {
    const correction = biasCorrection(() => 0.9);
    for (const step of [0, 1, 10, 100]) expect(correction(step)).toBeCloseTo(1 - 0.9 ** (step + 1), 14);
  });

  it('makes the average of a constant gradient that gradient, however beta changes', () => {
    const beta = demon({ totalSteps: 200 });
    const correction = biasCorrection(beta);
    let m = 0;
    for (let step = 0; step < 250; step++) {
      m = beta(step) * m + (1 - beta(step)) * 7;
      expect(m / correction(step)).toBeCloseTo(7, 12);
    }
    // What beta_step^(step + 1) would give instead, half-way through a short run.
    const short = demon({ totalSteps: 10 });
    expect(biasCorrection(short)(5)).not.toBeCloseTo(1 - short(5) ** 6, 2);
  });
});

describe('learning rates', () => {
  it('constant, linear, cosine', () => {
    expect(constantLr(0.1)(99)).toBe(0.1);
    const linear = linearLr({ lr: 2, totalSteps: 100, finalRatio: 0.1 });
    expect([0, 50, 100, 150].map(linear)).toEqual([2, 1.1, expect.closeTo(0.2, 12), expect.closeTo(0.2, 12)]);
    const cosine = cosineLr({ lr: 2, totalSteps: 100 });
    expect([0, 25, 50, 100, 150].map(cosine)).toEqual([
      2,
      expect.closeTo(1 + Math.SQRT1_2, 12),
      expect.closeTo(1, 12),
      expect.closeTo(0, 12),
      expect.closeTo(0, 12),
    ]);
  });

  it('inverse square root is flat up to its reference', () => {
    expect([0, 100, 400, 10_000].map(inverseSqrtLr({ lr: 1, decaySteps: 100 }))).toEqual([1, 1, 0.5, 0.1]);
  });

  it('warm-up is linear, moves at step 0, and 0 steps are none', () => {
    expect([0, 1, 3, 4].map(withWarmup(8, 4))).toEqual([2, 4, 8, 8]);
    expect(withWarmup(8, 0)(0)).toBe(8);
    expect(product(2, (step) => step)(3)).toBe(6);
  });

  it('refuses impossible values', () => {
    expect(() => constantLr(0)).toThrow(/lr must be a number > 0, got 0/);
    expect(() => cosineLr({ lr: 1, totalSteps: 10, finalRatio: 2 })).toThrow(/finalRatio must be in \[0, 1\], got 2/);
    expect(() => inverseSqrtLr({ lr: 1, decaySteps: 0 })).toThrow(/decaySteps/);
    expect(() => withWarmup(1, 1.5)).toThrow(/warmupSteps must be an integer >= 0, got 1.5/);
  });
});
