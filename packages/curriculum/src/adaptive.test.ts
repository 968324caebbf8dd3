import { describe, expect, it } from 'vitest';
import { curriculumSampling } from './curriculum-sampling.js';
import { logitNormalTimesteps } from './densities.js';
import { excessLoss } from './excess-loss.js';
import { infoNoise } from './info-noise.js';
import { weightedPredictions, type WeightedPrediction } from './loss-weights.js';
import { wideAlphasCumprod } from './testing.js';

const T = 200;
const alphasCumprod = wideAlphasCumprod(T, -4, 3);
const snr = Array.from(alphasCumprod, (abar) => abar / (1 - abar));
const each = Int32Array.from({ length: T }, (_, t) => t);

describe('infoNoise', () => {
  // One Gaussian variable of variance s2: mmse(SNR) = s2 / (1 + s2 SNR), and the information is ln(1 + s2 SNR) / 2.
  const s2 = 0.4;
  const mmse = (t: number) => s2 / (1 + s2 * snr[t]!);
  /** The squared error of each prediction if the squared error of x0 is mmse: v, flow and F as in loss-weights.ts. */
  const lossOf: Readonly<Record<WeightedPrediction, (t: number) => number>> = {
    x0: mmse,
    epsilon: (t) => snr[t]! * mmse(t),
    v: (t) => (snr[t]! + 1) * mmse(t),
    flow: (t) => (1 + Math.sqrt(snr[t]!)) ** 2 * mmse(t),
    edm: (t) => ((1 + 0.25 * snr[t]!) / 0.25) * mmse(t),
  };
  const information = (value: number) => Math.log(1 + s2 * value) / 2;

  it.each(weightedPredictions)(
    'follows the information of a Gaussian variable, from the losses of %s',
    (prediction) => {
      const context = { numTimesteps: T, totalSteps: 10, alphasCumprod, prediction, sigmaData: 0.5 };
      const schedule = infoNoise(context, { bins: T, uniformShare: 1e-12 });
      const state = schedule.update!(schedule.initialState!(), each, Array.from(each, lossOf[prediction]));
      const edge = (t: number) => {
        const lnSigma = -4 + (7 * t) / T;
        return information(Math.exp(-2 * lnSigma));
      };
      const exact = Array.from(each, (t) => (edge(t) - edge(t + 1)) / (edge(0) - edge(T)));
      expect(schedule.density(0, state)).toBeAllClose(exact, { rtol: 1e-3 });
    },
  );

  it.each([1, 3, 6])('follows it in a flow time that is shifted by %i', (shift) => {
    const continuous = { coordinate: 'flowTime', min: 0.05, max: 0.95 } as const;
    const snrAt = (fraction: number) => {
      const before = 0.05 + 0.9 * fraction;
      const time = (shift * before) / (1 + (shift - 1) * before);
      return ((1 - time) / time) ** 2;
    };
    const centers = Array.from(each, (t) => snrAt((t + 0.5) / T));
    const context = { numTimesteps: T, totalSteps: 10, continuous, prediction: 'flow' } as const;
    const levels = { alphasCumprod: centers.map((value) => value / (1 + value)) };
    const schedule = infoNoise({ ...context, ...levels }, { bins: T, uniformShare: 1e-12 });
    const losses = centers.map((value) => ((1 + Math.sqrt(value)) ** 2 * s2) / (1 + s2 * value));
    const state = schedule.update!(schedule.initialState!(), each, losses);
    const edge = (t: number) => information(snrAt(t / T));
    const exact = Array.from(each, (t) => (edge(t) - edge(t + 1)) / (edge(0) - edge(T)));
    expect(schedule.density(0, state).slice(1, -1)).toBeAllClose(exact.slice(1, -1), { rtol: 1e-2 });
  });

  it('needs no signal-to-noise ratios that follow from the coordinate', () => {
    const context = {
      numTimesteps: 10,
      totalSteps: 10,
      continuous: { coordinate: 'lnSigma', min: -4, max: 3 },
    } as const;
    const density = (more: object) => {
      const schedule = infoNoise({ ...context, ...more }, { bins: 10 });
      return schedule.density(0, schedule.update!(schedule.initialState!(), each.slice(0, 10), Array(10).fill(1)));
    };
    expect(density({})).toBeAllClose(density({ alphasCumprod: wideAlphasCumprod(10, -4, 3) }), { rtol: 1e-9 });
  });

  it('leaves a timestep without signal to the uniform share', () => {
    const context = { numTimesteps: 4, totalSteps: 10, alphasCumprod: [0.9, 0.5, 0.1, 0], prediction: 'v' } as const;
    const schedule = infoNoise(context, { bins: 4, uniformShare: 0.2 });
    const state = schedule.update!(schedule.initialState!(), [0, 1, 2, 3], [1, 1, 1, 1]);
    expect(schedule.density(0, state)[3]).toBeCloseTo(0.05, 14);
  });

  it('is uniform until every interval has been observed', () => {
    const schedule = infoNoise({ numTimesteps: T, totalSteps: 10, alphasCumprod }, { bins: 2 });
    const state = schedule.update!(schedule.initialState!(), [0, 3, 99], [1, 2, 3]);
    expect(schedule.density(0, state)).toBeAllClose(
      Array.from(each, () => 1 / T),
      { rtol: 1e-14 },
    );
    const known = schedule.update!(state, [100], [1]);
    expect(schedule.density(0, known)[0]).not.toBeCloseTo(1 / T, 6);
  });

  it('does not modify the old state, and rejects states and losses that do not fit', () => {
    const schedule = infoNoise({ numTimesteps: T, totalSteps: 10, alphasCumprod });
    const state = schedule.initialState!();
    schedule.update!(state, [1], [5]);
    expect([...state['sum']!]).toEqual(Array.from({ length: 50 }, () => 0));
    expect(() => schedule.density(0, { sum: new Float64Array(3) })).toThrowWith({ type: RangeError, contains: '50' });
    expect(() => schedule.update!(state, [1], [NaN])).toThrowWith({ type: RangeError, contains: ['loss 0', 'NaN'] });
    expect(() => infoNoise({ numTimesteps: T, totalSteps: 10 })).toThrowWith({
      type: RangeError,
      contains: 'alphasCumprod',
    });
  });
});

describe('excessLoss', () => {
  const context = { numTimesteps: 4, totalSteps: 10 };

  it('is proportional to the loss above the reference', () => {
    const schedule = excessLoss(context, { reference: [1, 2], uniformShare: 0.2, decay: 0 });
    const state = schedule.update!(schedule.initialState!(), [0, 2, 1, 3], [9, 9, 4, 3]);
    // Of the intervals {0, 1} and {2, 3}, with decay 0 the last losses, 4 and 3: 3 and 1 above the reference.
    expect(schedule.density(0, state)).toBeAllClose([0.35, 0.35, 0.15, 0.15], { rtol: 1e-12 });
  });

  it('is uniform if no loss is above the reference', () => {
    const schedule = excessLoss(context, { reference: [5] });
    const state = schedule.update!(schedule.initialState!(), [0], [1]);
    expect([...schedule.density(0, state)]).toEqual([0.25, 0.25, 0.25, 0.25]);
  });

  it('averages losses with its decay', () => {
    const schedule = excessLoss(context, { bins: 2, uniformShare: 1e-9, decay: 0.5 });
    let state = schedule.initialState!();
    for (const loss of [1, 2, 6]) state = schedule.update!(state, [0, 2], [loss, 1]);
    const mean = (0.25 * 1 + 0.5 * 2 + 6) / 1.75;
    expect(schedule.density(0, state)[0]! / schedule.density(0, state)[2]!).toBeCloseTo(mean, 6);
  });

  it('rejects a reference that does not fit', () => {
    const contains = ['reference', 'T = 4', 'got 5'];
    expect(() => excessLoss(context, { reference: [1, 1, 1, 1, 1] })).toThrowWith({ type: RangeError, contains });
    expect(() => excessLoss(context, { reference: [-1] })).toThrowWith({ type: RangeError, contains: 'reference[0]' });
  });
});

describe('curriculumSampling', () => {
  it('changes from logit-normal to uniform after its share of the run', () => {
    const context = { numTimesteps: T, totalSteps: 10, alphasCumprod };
    const schedule = curriculumSampling(context, { mean: 0.5, share: 0.32 });
    const early = logitNormalTimesteps(context, { mean: 0.5 }).density(0);
    for (const step of [0, 2]) expect(schedule.density(step)).toEqual(early);
    for (const step of [3, 9])
      expect(schedule.density(step)).toBeAllClose(
        Array.from(each, () => 1 / T),
        { rtol: 1e-14 },
      );
    expect([0, 2, 3].map(schedule.mixture!.lambda)).toEqual([1, 1, 0]);
  });

  it('uses the exact quantiles of the logit-normal density in continuous time', () => {
    const continuous = { coordinate: 'flowTime', min: 0, max: 1 } as const;
    const schedule = curriculumSampling({ numTimesteps: T, totalSteps: 10, continuous });
    // scipy.special.expit(scipy.stats.norm.ppf([.1, .5, .9]))
    const expected = [0.21728622854064458, 0.5, 0.7827137714593555];
    expect(schedule.quantile!(0, [0.1, 0.5, 0.9])).toBeAllClose(expected, { rtol: 1e-12 });
    expect(schedule.quantile!(9, [0.1, 0.5, 0.9])).toBeAllClose([0.1, 0.5, 0.9], { rtol: 1e-12 });
  });
});
