import { describe, expect, it } from 'vitest';
import { linearAlphasCumprod } from './testing.js';
import { snrFromAlphasCumprod, snrFromSigma, lossWeightings, lossWeights, type LossWeighting } from './loss-weights.js';

const snr = [1e-8, 0.01, 0.65, 1, 4.9, 5.1, 100, 1e4];

describe('lossWeights', () => {
  it.each([
    // The closed forms of METHOD's table, each written in its own paper's terms.
    [{ name: 'minSnr' }, 'epsilon', (s: number) => Math.min(s, 5) / s],
    [{ name: 'minSnr' }, 'x0', (s: number) => Math.min(s, 5)],
    [{ name: 'minSnr', gamma: 3 }, 'v', (s: number) => Math.min(s, 3) / (s + 1)],
    [{ name: 'p2' }, 'epsilon', (s: number) => 1 / (1 + s)],
    [{ name: 'p2', k: 2, gamma: 0.5 }, 'epsilon', (s: number) => 1 / Math.sqrt(2 + s)],
    [{ name: 'p2' }, 'v', (s: number) => s / (1 + s) ** 2],
    [{ name: 'constant' }, 'v', () => 1],
    [{ name: 'truncatedSnr' }, 'x0', (s: number) => Math.max(s, 1)],
    [
      { name: 'edm' },
      'x0',
      (s: number) => {
        const sigma = 1 / Math.sqrt(s);
        return (sigma ** 2 + 0.25) / (sigma * 0.5) ** 2;
      },
    ],
    [
      { name: 'softMinSnr' },
      'x0',
      (s: number) => {
        // (s sd)^2 / (s^2 + sd^2)^2 on EDM's F-loss, whose error is that of x0 over c_out = s sd / sqrt(s^2 + sd^2).
        const sigma = 1 / Math.sqrt(s);
        const onF = (sigma * 0.5) ** 2 / (sigma ** 2 + 0.25) ** 2;
        return (onF * (sigma ** 2 + 0.25)) / (sigma * 0.5) ** 2;
      },
    ],
  ] as const)('%j on %s has its closed form', (rule, prediction, form) => {
    const got = lossWeights(rule, { snr, prediction });
    snr.forEach((s, i) => expect(got[i]! / form(s)).toBeCloseTo(1, 10));
  });

  it('is one weight on x0, whatever is predicted: w_eps = w_x0 / SNR, w_v = w_x0 / (SNR + 1)', () => {
    for (const name of lossWeightings) {
      if (name === 'constant') continue;
      const rule = { name } as LossWeighting;
      const onX0 = lossWeights(rule, { snr, prediction: 'x0' });
      const onEpsilon = lossWeights(rule, { snr, prediction: 'epsilon' });
      const onV = lossWeights(rule, { snr, prediction: 'v' });
      snr.forEach((s, i) => {
        expect((onEpsilon[i]! * s) / onX0[i]!).toBeCloseTo(1, 12);
        expect((onV[i]! * (s + 1)) / onX0[i]!).toBeCloseTo(1, 12);
      });
    }
  });

  it('is finite at zero terminal SNR, except where the rule itself is not', () => {
    const at0 = (rule: LossWeighting, prediction: 'epsilon' | 'x0' | 'v' | 'edm'): number =>
      lossWeights(rule, { snr: [0], prediction })[0]!;
    expect(at0({ name: 'minSnr' }, 'epsilon')).toBe(1);
    expect(at0({ name: 'minSnr' }, 'x0')).toBe(0);
    expect(at0({ name: 'minSnr' }, 'v')).toBe(0);
    expect(at0({ name: 'softMinSnr' }, 'epsilon')).toBe(1);
    expect(at0({ name: 'p2' }, 'epsilon')).toBe(1);
    expect(at0({ name: 'edm' }, 'x0')).toBe(4);
    expect(at0({ name: 'edm' }, 'v')).toBe(4);
    expect(at0({ name: 'edm' }, 'edm')).toBe(1);
    expect(() => at0({ name: 'edm' }, 'epsilon')).toThrow(/"edm" is infinite for prediction "epsilon" at SNR 0/);
    expect(() => at0({ name: 'truncatedSnr' }, 'epsilon')).toThrow(/predict x0 or v/);
  });

  it("on EDM's F is what Karras and Crowson write", () => {
    for (const sigmaData of [0.5, 1.3]) {
      const onF = (rule: LossWeighting) => lossWeights(rule, { snr, prediction: 'edm', sigmaData });
      // lambda c_out^2 = 1, Eq. 8 and Table 1 of arXiv:2206.00364.
      onF({ name: 'edm', sigmaData }).forEach((w) => expect(w).toBeCloseTo(1, 12));
      onF({ name: 'softMinSnr', sigmaData }).forEach((w, i) => {
        const sigma = 1 / Math.sqrt(snr[i]!);
        expect(w / ((sigma * sigmaData) / (sigma ** 2 + sigmaData ** 2)) ** 2).toBeCloseTo(1, 10);
      });
      // c_out^2 = sigma^2 sd^2 / (sigma^2 + sd^2) on any weight of x0.
      const onX0 = lossWeights({ name: 'truncatedSnr' }, { snr, prediction: 'x0' });
      onF({ name: 'truncatedSnr' }).forEach((w, i) => {
        const sigma = 1 / Math.sqrt(snr[i]!);
        const cOut = (sigma * sigmaData) / Math.hypot(sigma, sigmaData);
        expect(w / (onX0[i]! * cOut ** 2)).toBeCloseTo(1, 10);
      });
    }
    expect(() => lossWeights({ name: 'edm' }, { snr, prediction: 'edm', sigmaData: 0 })).toThrow(
      /sigmaData must be a number > 0/,
    );
  });

  it('is not the public slip 5 / (1 + SNR)', () => {
    expect(lossWeights({ name: 'minSnr' }, { snr: [0.65, 10], prediction: 'epsilon' })).toEqual(
      Float64Array.of(1, 0.5),
    );
  });

  it('reads SNR from abar and sigma', () => {
    // METHOD: t = 300 of the linear schedule has abar .394011122523, SNR .65.
    expect(snrFromAlphasCumprod(linearAlphasCumprod())[300]).toBeCloseTo(0.394011122523 / (1 - 0.394011122523), 10);
    expect([...snrFromSigma([0.5, 2])]).toEqual([4, 0.25]);
    expect(() => snrFromAlphasCumprod([1])).toThrow(/alphasCumprod\[0\] must be in \[0, 1\), got 1/);
    expect(() => snrFromSigma([0])).toThrow(/sigma\[0\]/);
  });

  it('refuses impossible values', () => {
    expect(() => lossWeights({ name: 'minSnr', gamma: 0 }, { snr, prediction: 'v' })).toThrow(
      /gamma must be a number > 0, got 0/,
    );
    expect(() => lossWeights({ name: 'minSnr' }, { snr: [-1], prediction: 'v' })).toThrow(/snr\[0\] must be/);
    expect(() => lossWeights({ name: 'x' } as unknown as LossWeighting, { snr, prediction: 'v' })).toThrow(
      /rule must be one of/,
    );
    expect(() => lossWeights({ name: 'p2' }, { snr, prediction: 'eps' as 'epsilon' })).toThrow(
      /one of epsilon, x0, v, edm/,
    );
  });
});
