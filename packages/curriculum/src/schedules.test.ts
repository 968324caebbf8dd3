import { describe, expect, it } from 'vitest';
import { createTimestepSchedule, timestepScheduleNames } from './registry.js';
import type { ScheduleState, TimestepSchedule } from './schedule.js';
import { chiSquareScore, linearAlphasCumprod, uniforms } from './testing.js';

const T = 1000;
const totalSteps = 10_000;
const context = { numTimesteps: T, totalSteps, alphasCumprod: linearAlphasCumprod(T) };

const moments = [0, 2500, 5000, 7500, 9999];
const draws = moments.map((_, i) => uniforms(1_000_000, 1000 + i));

/** The state after `rounds` updates, each with a different loss at every timestep. */
function trainedState(schedule: TimestepSchedule, rounds: number): ScheduleState | undefined {
  let state = schedule.initialState?.();
  const timesteps = Int32Array.from({ length: T }, (_, t) => t);
  for (let round = 0; state && round < rounds; round++) {
    const losses = Float64Array.from(timesteps, (t) => 0.05 + 1 / (1 + t / 50) + round / 100);
    state = schedule.update!(state, timesteps, losses);
  }
  return state;
}

describe.each(timestepScheduleNames)('%s', (name) => {
  const schedule = createTimestepSchedule(name, context);

  it('10^6 drawn timesteps agree with its density at five steps', () => {
    moments.forEach((step, i) => {
      const state = trainedState(schedule, i * 250);
      const density = schedule.density(step, state);
      expect(density).toHaveLength(T);
      expect(density.every((p) => p >= 0)).toBe(true);
      expect(density.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
      const { timesteps, weights } = schedule.sample(step, draws[i]!, state);
      // The probability of 4.5 standard deviations by chance is 7e-6, and the uniform numbers are fixed.
      expect(Math.abs(chiSquareScore(timesteps, density))).toBeLessThan(4.5);
      expect(weights).toHaveLength(timesteps.length);
    });
  });

  it('is a pure function, and does not expose its internal arrays', () => {
    const u = uniforms(64, 7);
    const before = schedule.sample(3, u);
    schedule.density(3).fill(0);
    expect(schedule.sample(3, u)).toEqual(before);
  });

  it('rejects an unknown option', () => {
    expect(() => createTimestepSchedule(name, context, { nonsense: 1 } as never)).toThrowWith({
      type: RangeError,
      contains: ['"nonsense"'],
    });
  });

  it('works at T = 1 and on a short cosine-like schedule', () => {
    const tiny = createTimestepSchedule(
      name,
      { numTimesteps: 1, totalSteps: 1, alphasCumprod: [0.5] },
      tinyOptions(name),
    );
    expect([...tiny.sample(0, [0, 0.999]).timesteps]).toEqual([0, 0]);
    const short = createTimestepSchedule(
      name,
      { numTimesteps: 3, totalSteps: 1, alphasCumprod: [0.9, 0.4, 0] },
      tinyOptions(name),
    );
    expect(short.density(0).reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
  });
});

function tinyOptions(name: string): never {
  return (name === 'difficultyCurriculum' ? { clusters: 1 } : {}) as never;
}

describe('importance correction', () => {
  const u = Float64Array.from({ length: 1_000_000 }, (_, i) => (i + 0.5) / 1_000_000);
  const f = (t: number): number => 1 + Math.sin(t / 90) + (t / T) ** 2;
  const exact = Array.from({ length: T }, (_, t) => f(t) / T).reduce((a, b) => a + b, 0);

  it.each([
    ['cltsCorrected', {}],
    ['cltsReversed', { importanceCorrection: true }],
    ['cltsTimeAverage', { importanceCorrection: true }],
    ['cltsLogSnr', { importanceCorrection: true }],
    ['lossSecondMoment', {}],
  ] as const)('leaves means over timesteps unbiased (integrated over u): %s', (name, options) => {
    const schedule = createTimestepSchedule(name, context, options as never);
    for (const step of moments) {
      const { timesteps, weights } = schedule.sample(step, u, trainedState(schedule, 10));
      const mean = timesteps.reduce((sum, t, n) => sum + weights[n]! * f(t), 0) / u.length;
      expect(mean).toBeCloseTo(exact, 3);
    }
  });
});

describe('chiSquareScore', () => {
  it('detects a density that is off by 2.5% at every timestep', () => {
    const { timesteps } = createTimestepSchedule('uniform', context).sample(0, uniforms(1_000_000, 5));
    const off = Float64Array.from({ length: T }, (_, t) => (t < T / 2 ? 1.025 : 0.975) / T);
    expect(chiSquareScore(timesteps, off)).toBeGreaterThan(10);
  });
});

describe('createTimestepSchedule', () => {
  it.each<[() => unknown, string[]]>([
    [() => createTimestepSchedule('cltz' as 'clts', context), ['"cltz"', 'uniform, clts']],
    [() => createTimestepSchedule('toString' as 'clts', context), ['"toString"', 'uniform, clts']],
    [() => createTimestepSchedule('uniform', { numTimesteps: 0, totalSteps: 1 }), ['numTimesteps', '>= 1', 'got 0']],
    [() => createTimestepSchedule('clts', { numTimesteps: 9, totalSteps: 0.5 }), ['totalSteps', '>= 1', 'got 0.5']],
  ])('rejects unknown names and sizes out of range %#', (make, contains) => {
    expect(make).toThrowWith({ type: RangeError, contains });
  });
});
