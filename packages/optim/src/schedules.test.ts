import { describe, expect, it } from 'vitest';
import { biasCorrection } from './bias-correction.js';
import { constantLr, cosineLr, inverseSqrtLr, linearLr, withWarmup } from './lr-schedules.js';
import { demon, momentumDecay } from './momentum-decay.js';
import { product } from './step-schedule.js';

describe('momentumDecay', () => {
  const totalSteps = 1000;

  // Computed by hand from the formulas of momentum-decay.ts, with b0 = 0.9.
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

  it('lr (1 - beta), the coefficient of the newest gradient, is constant', () => {
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

  it('scales a schedule such as a warmup, and is constant after the run', () => {
    const { lr, beta1 } = momentumDecay({ lr: withWarmup(1, 10), totalSteps });
    expect(lr(4)).toBeCloseTo(0.5 * (1 - (0.9 * 4) / totalSteps), 12);
    expect(lr(5000)).toBeCloseTo(0.1, 12);
    expect(beta1(5000)).toBe(0);
  });

  it('decays linearly to finalBeta, with the learning rate lr0 (1 - b0) / (1 - beta)', () => {
    const { lr, beta1 } = momentumDecay({ lr: 2, totalSteps, b0: 0.9, finalBeta: 0.5, shape: 'linear' });
    for (const [step, beta] of [
      [0, 0.9],
      [250, 0.8],
      [500, 0.7],
      [1000, 0.5],
      [2000, 0.5],
    ] as const) {
      expect(beta1(step)).toBeCloseTo(beta, 12);
      expect(lr(step)).toBeCloseTo((2 * 0.1) / (1 - beta), 12);
    }
  });

  it('scales Demon between b0 and finalBeta', () => {
    const { beta1 } = momentumDecay({ lr: 1, totalSteps, finalBeta: 0.3 });
    for (const step of [0, 300, 1000]) {
      expect(beta1(step)).toBeCloseTo(0.3 + (0.6 / 0.9) * demon({ totalSteps })(step), 12);
    }
  });

  it('decays over the steps after delaySteps', () => {
    const { beta1 } = momentumDecay({ lr: 1, totalSteps, delaySteps: 200 });
    expect(beta1(200)).toBe(beta1(0));
    expect(beta1(600)).toBe(demon({ totalSteps: 800 })(400));
    expect(beta1(1000)).toBe(0);
  });

  it.each<[() => unknown, string[]]>([
    [() => momentumDecay({ lr: 1, totalSteps, finalBeta: 0.95 }), ['finalBeta', '0.95']],
    [() => momentumDecay({ lr: 1, totalSteps, delaySteps: 1000 }), ['delaySteps', '1000']],
    [() => momentumDecay({ lr: 1, totalSteps, shape: 'cubic' as 'linear' }), ['shape', 'cubic']],
    [() => momentumDecay({ lr: 1, totalSteps, b0: 1 }), ['momentumDecay: b0', '(0, 1)', 'got 1']],
    [() => momentumDecay({ lr: 1, totalSteps: 0 }), ['totalSteps', '>= 1', 'got 0']],
    [() => demon({ totalSteps, b0: 2 }), ['demon: b0', '(0, 1)', 'got 2']],
  ])('rejects values out of range %#', (make, contains) => {
    expect(make).toThrowWith({ type: RangeError, contains });
  });
});

describe('biasCorrection', () => {
  it('is 1 - beta^(step + 1) for a constant beta', () => {
    const correction = biasCorrection(() => 0.9);
    for (const step of [0, 1, 10, 100]) expect(correction(step)).toBeCloseTo(1 - 0.9 ** (step + 1), 14);
  });

  it('makes the corrected average of a constant gradient equal to it for any changing beta', () => {
    const beta = demon({ totalSteps: 200 });
    const correction = biasCorrection(beta);
    let m = 0;
    for (let step = 0; step < 250; step++) {
      m = beta(step) * m + (1 - beta(step)) * 7;
      expect(m / correction(step)).toBeCloseTo(7, 12);
    }
    // 1 - beta_step^(step + 1) gives another value, here halfway through a short run.
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

  it('inverse square root is constant up to decaySteps', () => {
    expect([0, 100, 400, 10_000].map(inverseSqrtLr({ lr: 1, decaySteps: 100 }))).toEqual([1, 1, 0.5, 0.1]);
  });

  it('warmup is linear and not 0 at step 0; 0 steps mean no warmup', () => {
    expect([0, 1, 3, 4].map(withWarmup(8, 4))).toEqual([2, 4, 8, 8]);
    expect(withWarmup(8, 0)(0)).toBe(8);
    expect(product(2, (step) => step)(3)).toBe(6);
  });

  it.each<[() => unknown, string[]]>([
    [() => constantLr(0), ['lr', '> 0', 'got 0']],
    [() => cosineLr({ lr: 1, totalSteps: 10, finalRatio: 2 }), ['finalRatio', '[0, 1]', 'got 2']],
    [() => inverseSqrtLr({ lr: 1, decaySteps: 0 }), ['decaySteps', '>= 1', 'got 0']],
    [() => withWarmup(1, 1.5), ['warmupSteps', 'integer >= 0', 'got 1.5']],
  ])('rejects values out of range %#', (make, contains) => {
    expect(make).toThrowWith({ type: RangeError, contains });
  });
});
