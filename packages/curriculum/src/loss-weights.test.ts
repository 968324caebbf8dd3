import { describe, expect, it } from 'vitest';
import { linearAlphasCumprod } from './testing.js';
import { snrFromAlphasCumprod, snrFromSigma, lossWeightings, lossWeights, type LossWeighting } from './loss-weights.js';

const snr = [1e-8, 0.01, 0.65, 1, 4.9, 5.1, 100, 1e4];

describe('lossWeights', () => {
  it.each([
    // Closed forms in the notation of each rule's paper; see LossWeighting for the papers.
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
        // (s sd)^2 / (s^2 + sd^2)^2 on the error of EDM's F, which is the error of x0 / c_out, c_out = s sd / sqrt(s^2
        // + sd^2).
        const sigma = 1 / Math.sqrt(s);
        const onF = (sigma * 0.5) ** 2 / (sigma ** 2 + 0.25) ** 2;
        return (onF * (sigma ** 2 + 0.25)) / (sigma * 0.5) ** 2;
      },
    ],
  ] as const)('%j on %s has its closed form', (rule, prediction, form) => {
    const got = lossWeights(rule, { snr, prediction });
    snr.forEach((s, i) => expect(got[i]! / form(s)).toBeCloseTo(1, 10));
  });

  it('converts between predictions: w_eps = w_x0 / SNR, w_v = w_x0 / (SNR + 1)', () => {
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

  it('is finite at zero terminal SNR if the rule is', () => {
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
    for (const name of ['edm', 'truncatedSnr'] as const) {
      expect(() => at0({ name }, 'epsilon')).toThrowWith({
        type: RangeError,
        contains: [`"${name}"`, 'infinite', '"epsilon"', 'SNR 0', 'x0 or v'],
      });
    }
  });

  it("on EDM's F equals the formulas of Karras et al. and Crowson et al.", () => {
    for (const sigmaData of [0.5, 1.3]) {
      const onF = (rule: LossWeighting) => lossWeights(rule, { snr, prediction: 'edm', sigmaData });
      // lambda c_out^2 = 1, Eq. 8 and Table 1 of arXiv:2206.00364.
      onF({ name: 'edm', sigmaData }).forEach((w) => expect(w).toBeCloseTo(1, 12));
      onF({ name: 'softMinSnr', sigmaData }).forEach((w, i) => {
        const sigma = 1 / Math.sqrt(snr[i]!);
        expect(w / ((sigma * sigmaData) / (sigma ** 2 + sigmaData ** 2)) ** 2).toBeCloseTo(1, 10);
      });
      // A weight on x0 is multiplied by c_out^2 = sigma^2 sd^2 / (sigma^2 + sd^2).
      const onX0 = lossWeights({ name: 'truncatedSnr' }, { snr, prediction: 'x0' });
      onF({ name: 'truncatedSnr' }).forEach((w, i) => {
        const sigma = 1 / Math.sqrt(snr[i]!);
        const cOut = (sigma * sigmaData) / Math.hypot(sigma, sigmaData);
        expect(w / (onX0[i]! * cOut ** 2)).toBeCloseTo(1, 10);
      });
    }
  });

  it('minSnr is min(SNR, 5) / SNR, not 5 / (1 + SNR) as in a public re-implementation', () => {
    expect(lossWeights({ name: 'minSnr' }, { snr: [0.65, 10], prediction: 'epsilon' })).toEqual(
      Float64Array.of(1, 0.5),
    );
  });

  it('computes the SNR from abar and sigma', () => {
    // abar at t = 300 of DDPM's linear schedule (float64).
    expect(snrFromAlphasCumprod(linearAlphasCumprod())[300]).toBeCloseTo(0.394011122523 / (1 - 0.394011122523), 10);
    expect([...snrFromSigma([0.5, 2])]).toEqual([4, 0.25]);
  });

  it.each<[() => unknown, string[]]>([
    [() => snrFromAlphasCumprod([1]), ['alphasCumprod[0]', '[0, 1)', 'got 1']],
    [() => snrFromSigma([0]), ['sigma[0]', 'got 0']],
    [() => lossWeights({ name: 'minSnr', gamma: 0 }, { snr, prediction: 'v' }), ['"minSnr"', 'gamma', 'got 0']],
    [() => lossWeights({ name: 'minSnr' }, { snr: [-1], prediction: 'v' }), ['snr[0]', 'got -1']],
    [() => lossWeights({ name: 'x' } as unknown as LossWeighting, { snr, prediction: 'v' }), ['rule', '"x"']],
    [
      () => lossWeights({ name: 'p2' }, { snr, prediction: 'eps' as 'epsilon' }),
      ['epsilon, x0, v, flow, edm', '"eps"'],
    ],
    [() => lossWeights({ name: 'edm' }, { snr, prediction: 'edm', sigmaData: 0 }), ['sigmaData', '> 0', 'got 0']],
  ])('rejects values out of range %#', (act, contains) => {
    expect(act).toThrowWith({ type: RangeError, contains });
  });
});

describe('zeroSnrWeight', () => {
  it.each([
    ['epsilon', 1],
    ['x0', 0],
    ['v', 0],
  ] as const)('replaces the weight of %s at SNR 0, %d in closed form, and no other', (prediction, closed) => {
    const snr = [0, 1e-9, 2, 50];
    const [plain, replaced] = [undefined, 1].map((zeroSnrWeight) =>
      lossWeights({ name: 'minSnr', ...(zeroSnrWeight !== undefined && { zeroSnrWeight }) }, { snr, prediction }),
    );
    expect(plain![0]).toBe(closed);
    expect([...replaced!]).toEqual([1, ...plain!.slice(1)]);
  });

  it('refuses a negative weight', () => {
    const weigh = () => lossWeights({ name: 'minSnr', zeroSnrWeight: -1 }, { snr: [0], prediction: 'v' });
    expect(weigh).toThrowWith({ type: RangeError, contains: ['zeroSnrWeight', '-1'] });
  });
});
