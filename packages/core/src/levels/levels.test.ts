import { describe, expect, test } from 'vitest';
import fixture from '../fixtures/timesteps.json' with { type: 'json' };
import { edmSigmas } from '../schedules/accessors.js';
import { linearSchedule } from '../schedules/linear.js';
import { rescaleZeroTerminalSnr } from '../schedules/zero-terminal-snr.js';
import { betaQuantile } from './beta-quantile.js';
import { edmLevel, edmPath, karrasSigmas } from './edm.js';
import { flowLevel, flowPath, shiftFlowTime } from './flow.js';
import { halfLogSnr, levelAt, vpLevelFromSigma } from './level.js';
import { discretePath, type DiscretePathOptions } from './path.js';
import { spacedTimesteps, type Spacing } from './spacing.js';

const schedule = linearSchedule();

test.each(fixture.rows)('timesteps are those of diffusers: $spacing $steps +$stepsOffset', (row) => {
  const { steps, stepsOffset } = row;
  const values = spacedTimesteps(1000, steps, { spacing: row.spacing as Spacing, stepsOffset });
  expect(values).toEqual(row.timesteps);
});

test.each(Object.entries(fixture.sums))(
  'timesteps of every number of steps are those of diffusers: %s',
  (spacing, sum) => {
    const most = spacing.endsWith('-dpm') ? 999 : 1000;
    let own = 0;
    for (let steps = 1; steps <= most; steps++) {
      spacedTimesteps(1000, steps, { spacing: spacing as Spacing }).forEach((t, i) => (own += (i + 1) * t));
    }
    expect(own).toBe(sum);
  },
);

describe('a level', () => {
  test('of a timestep, and between two', () => {
    const { alpha, sigma } = levelAt(schedule, 300);
    expect(alpha ** 2).toBeCloseTo(0.394011122523, 11);
    expect(sigma ** 2).toBeCloseTo(1 - 0.394011122523, 11);
    const between = levelAt(schedule, 300.5);
    const sigmas = edmSigmas(schedule);
    expect(between.sigma / between.alpha).toBeCloseTo(Math.sqrt(sigmas[300]! * sigmas[301]!), 12);
    expect(between.alpha ** 2 + between.sigma ** 2).toBeCloseTo(1, 14);
  });

  test.each([0, 1e-9, 0.3, 1, 70, 1e200])('of a ratio: %f', (ratio) => {
    const { alpha, sigma } = vpLevelFromSigma(5, ratio);
    expect(alpha ** 2 + sigma ** 2).toBeCloseTo(1, 14);
    expect(alpha * ratio).toBeCloseTo(sigma, 14);
  });

  test.each([NaN, -1, 1000, Infinity])('refuses timestep %f', (t) => {
    expect(() => levelAt(schedule, t)).toThrowWith({
      type: RangeError,
      contains: ['"linear"', 'timestep', '0 to 999', `got ${t}`],
    });
  });

  test('of an infinite ratio', () => expect(vpLevelFromSigma(5, Infinity)).toEqual({ t: 5, alpha: 0, sigma: 1 }));

  test('next to pure noise is pure noise', () => {
    const { alpha, sigma } = levelAt(rescaleZeroTerminalSnr(schedule), 998.5);
    expect([alpha, sigma]).toEqual([0, 1]);
  });

  test('lambda is ln(alpha / sigma), infinite at both ends', () => {
    expect(halfLogSnr({ alpha: 0.6, sigma: 0.8 })).toBeCloseTo(Math.log(0.75), 14);
    expect(halfLogSnr({ alpha: 0, sigma: 1 })).toBe(-Infinity);
    expect(halfLogSnr({ alpha: 1, sigma: 0 })).toBe(Infinity);
  });
});

describe('a discrete path', () => {
  test('ends clean, or at the first timestep', () => {
    const { levels, initialScale } = discretePath(schedule, { steps: 4 });
    expect(levels.map((l) => l.t)).toEqual([750, 500, 250, 0, -1]);
    expect(levels.at(-1)).toMatchObject({ alpha: 1, sigma: 0 });
    expect(initialScale).toBe(1);
    expect(discretePath(schedule, { steps: 4, final: 'first' }).levels.at(-1)).toEqual(levelAt(schedule, 0));
  });

  test('of Karras sigmas has both ends of the schedule', () => {
    const { levels } = discretePath(schedule, { steps: 5, karras: {} });
    // diffusers' EulerDiscreteScheduler(use_karras_sigmas=True), 5 steps, in float32
    const timesteps = [999, 843.3562, 592.9974, 141.822, 0, -1];
    expect(levels.map((l) => l.t)).toEqual(timesteps.map((t) => expect.closeTo(t, 1)));
    const ratios = levels.slice(0, -1).map((l) => l.sigma / l.alpha);
    const sigmas = edmSigmas(schedule);
    expect(ratios[0]).toBeCloseTo(sigmas[999]!, 8);
    expect(ratios[4]).toBeCloseTo(sigmas[0]!, 12);
  });

  test.each<[object, string[]]>([
    [{}, ['steps or timesteps']],
    [{ steps: 3, timesteps: [1] }, ['steps or timesteps']],
    [{ steps: 0 }, ['steps', '1 to 1000', 'got 0']],
    [{ steps: 1001 }, ['steps', '1 to 1000', 'got 1001']],
    [{ steps: 10, spacing: 'log' }, ['spacing', 'leading, trailing, linspace', '"log"']],
    [{ steps: 10, stepsOffset: 100 }, ['stepsOffset', '0 to 99', 'got 100']],
    [{ timesteps: [] }, ['timesteps', 'empty']],
    [{ timesteps: [10, 10] }, ['timestep 1', 'below 10', 'got 10']],
    [{ timesteps: [1000] }, ['timestep', '0 to 999', 'got 1000']],
    [{ timesteps: [10], karras: {} }, ['karras', 'steps']],
    [{ timesteps: [10], flow: {} }, ['flow', 'steps']],
    [{ steps: 3, karras: {}, flow: {} }, ['karras and flow']],
    [{ timesteps: [10], beta: {} }, ['beta', 'steps']],
    [{ steps: 3, beta: { alpha: 0 } }, ['a must be', '> 0', 'got 0']],
    [{ steps: 3, exponential: { sigmaMin: 2, sigmaMax: 1 } }, ['exponential.sigmaMax', 'sigmaMin, 2']],
    [{ steps: 600, spacing: 'leading-dpm', stepsOffset: 500 }, ['stepsOffset', 'got 500']],
    [{ steps: 3, karras: { sigmaMin: 2, sigmaMax: 1 } }, ['sigmaMax', 'sigmaMin, 2']],
    [{ steps: 3, stepEnd: 'stride', flow: {} }, ['"stride"', 'steps']],
    [{ steps: 3, stepEnd: 'last' }, ['stepEnd', 'next, stride', '"last"']],
    [{ steps: 3, final: 'last' }, ['final', 'clean, first', '"last"']],
    [{ steps: 1000, flow: { shift: 5 } }, ['step 1 of 1000', '"shift":5']],
  ])('refuses %j', (options, contains) => {
    expect(() => discretePath(schedule, options)).toThrowWith({ type: RangeError, contains });
  });

  const ratiosOf = (options: DiscretePathOptions): number[] =>
    discretePath(schedule, options)
      .levels.slice(0, -1)
      .map(({ alpha, sigma }) => sigma / alpha);

  test("of EDM's sigmas stays within the schedule, and starts at 80 under zero terminal SNR", () => {
    const edm = { sigmaMin: 0.002, sigmaMax: 80 };
    const first = edmSigmas(schedule)[0]!;
    const wanted = karrasSigmas({ steps: 6, sigmaMin: first, sigmaMax: 80 });
    expect(ratiosOf({ steps: 6, karras: edm })).toEqual(wanted.map((ratio) => expect.closeTo(ratio, 8)));
    const { levels } = discretePath(rescaleZeroTerminalSnr(schedule), { steps: 6, karras: edm });
    expect(levels[0]!.sigma / levels[0]!.alpha).toBeCloseTo(80, 8);
  });

  test('of flow times: s / (1 - s), from the noisiest level of the schedule', () => {
    const shifted = [0.75, 0.5, 0.25].map((s) => shiftFlowTime(s, 3));
    const wanted = [edmSigmas(schedule)[999]!, ...shifted.map((s) => s / (1 - s))];
    const ratios = ratiosOf({ steps: 4, flow: { shift: 3 } });
    expect(ratios).toEqual(wanted.map((ratio) => expect.closeTo(ratio, 8)));
    const zero = discretePath(rescaleZeroTerminalSnr(schedule), { steps: 4, flow: {} });
    expect(zero.levels[0]).toEqual({ t: 999, alpha: 0, sigma: 1 });
  });

  test('whose steps end a stride below their timestep', () => {
    const { levels, ends } = discretePath(schedule, { steps: 3, spacing: 'linspace', stepEnd: 'stride' });
    expect(levels.map(({ t }) => t)).toEqual([999, 500, 0, -1]);
    expect(ends!.map(({ t }) => t)).toEqual([666, 167, -1]);
  });

  test('Karras sigmas cannot begin at infinity', () => {
    expect(() => discretePath(rescaleZeroTerminalSnr(schedule), { steps: 5, karras: {} })).toThrowWith({
      type: RangeError,
      contains: ['karras', 'SNR 0'],
    });
  });
});

describe('EDM', () => {
  test('sigmas of Eq. 5, by hand', () => {
    const [a, b] = [80 ** (1 / 7), 0.002 ** (1 / 7)];
    const sigmas = karrasSigmas({ steps: 3 });
    [80, ((a + b) / 2) ** 7, 0.002].forEach((sigma, i) => expect(sigmas[i]).toBeCloseTo(sigma, 10));
    expect(karrasSigmas({ steps: 1 })).toEqual([expect.closeTo(80, 10)]);
  });

  test('path: c_noise, then none', () => {
    const { levels, initialScale } = edmPath({ steps: 3 });
    expect(initialScale).toBeCloseTo(80, 10);
    expect(levels[0]!.t).toBeCloseTo(Math.log(80) / 4, 12);
    expect(levels.map((l) => l.alpha)).toEqual([1, 1, 1, 1]);
    expect(levels[3]!.sigma).toBe(0);
  });

  test('refuses', () => {
    expect(() => karrasSigmas({ steps: 3, sigmaMin: 0 })).toThrowWith({
      type: RangeError,
      contains: ['sigmaMin', '> 0', 'got 0'],
    });
    expect(() => karrasSigmas({ steps: 3, sigmaMax: 0.001 })).toThrowWith({
      type: RangeError,
      contains: ['sigmaMax', 'sigmaMin, 0.002', 'got 0.001'],
    });
    expect(() => edmLevel(0)).toThrowWith({ type: RangeError, contains: ['sigma', '> 0', 'got 0'] });
  });
});

describe('rectified flow', () => {
  test.each<[object, string[]]>([
    [{ spacing: 'log' }, ['spacing', 'even, flow-match-euler', '"log"']],
    [{ shift: 2, dynamicShift: { tokens: 4 } }, ['shift or dynamicShift']],
    [{ dynamicShift: { tokens: 0 } }, ['tokens', 'got 0']],
    [{ dynamicShift: { token: 4 } }, ['"token"']],
    [{ dynamicShift: { tokens: 4, maxTokens: 256 } }, ['maxTokens', 'baseTokens, 256']],
  ])('refuses %j', (wrong, contains) => {
    expect(() => flowPath({ steps: 3, ...wrong })).toThrowWith({ type: RangeError, contains });
  });

  test('path from noise to image', () => {
    const { levels } = flowPath({ steps: 4 });
    expect(levels.map((l) => l.t)).toEqual([1000, 750, 500, 250, 0]);
    expect(levels[0]).toMatchObject({ alpha: 0, sigma: 1 });
    expect(levels[4]).toMatchObject({ alpha: 1, sigma: 0 });
  });

  test('a shift keeps the ends', () => {
    expect([0, 0.5, 1].map((s) => shiftFlowTime(s, 3))).toEqual([0, 0.75, 1]);
    for (let shift = 0.01; shift < 9; shift += 0.01) expect(shiftFlowTime(1, shift)).toBe(1);
    expect(() => shiftFlowTime(0.5, 0)).toThrowWith({ type: RangeError, contains: ['shift', '> 0', 'got 0'] });
    expect(() => flowLevel(1.5)).toThrowWith({ type: RangeError, contains: ['[0, 1]', 'got 1.5'] });
  });
});

// scipy.stats.beta.ppf, SciPy 1.17.1
test.each([
  [0.1, 0.6, 0.6, 0.03958440558878085],
  [0.5, 0.6, 0.6, 0.5000000000000001],
  [0.93, 0.6, 0.6, 0.978056165310785],
  [0.2, 2, 5, 0.1398806882699578],
  [0.001, 0.3, 4, 1.9049653210024112e-11],
  [0, 0.6, 0.6, 0.0],
  [1, 0.6, 0.6, 1.0],
])('the %f quantile of Beta(%f, %f)', (p, a, b, x) => {
  expect(betaQuantile(p, a, b)).toBeCloseTo(x, 12);
});
