import { describe, expect, it } from 'vitest';
import { difficultyCurriculum } from './difficulty-curriculum.js';
import { lossSecondMoment } from './loss-second-moment.js';

describe('lossSecondMoment', () => {
  it('rejects a history that exceeds the memory limit', () => {
    const context = { numTimesteps: 1000, totalSteps: 10 };
    expect(() => lossSecondMoment(context, { historyPerTimestep: 10_001 })).toThrow(RangeError);
    expect(() => lossSecondMoment(context, { historyPerTimestep: 10_000 })).not.toThrow();
  });

  const schedule = lossSecondMoment({ numTimesteps: 4, totalSteps: 10 }, { historyPerTimestep: 2 });

  it('is uniform with weights 1 until every timestep has its history', () => {
    let state = schedule.initialState!();
    state = schedule.update!(state, [0, 1, 2, 0, 1, 2, 3], [9, 9, 9, 9, 9, 9, 9]);
    expect([...schedule.density(0, state)]).toEqual([0.25, 0.25, 0.25, 0.25]);
    expect([...schedule.sample(0, [0.1, 0.9], state).weights]).toEqual([1, 1]);
  });

  it('then is the root mean square of the latest losses, mixed with 0.001 of uniform', () => {
    let state = schedule.initialState!();
    state = schedule.update!(state, [0, 0, 1, 1, 2, 2, 3, 3], [100, 3, 1, 1, 2, 2, 0, 0]);
    state = schedule.update!(state, [0], [4]);
    const roots = [Math.sqrt((3 ** 2 + 4 ** 2) / 2), 1, 2, 0];
    const total = roots.reduce((a, b) => a + b, 0);
    const expected = roots.map((root) => (0.999 * root) / total + 0.001 / 4);
    schedule.density(0, state).forEach((p, t) => expect(p).toBeCloseTo(expected[t]!, 14));
    const { timesteps, weights } = schedule.sample(0, [0, 0.9999], state);
    expect([...timesteps]).toEqual([0, 3]);
    expect(weights[0]).toBeCloseTo(1 / (4 * expected[0]!), 6);
    expect(weights[1]).toBeCloseTo(1 / (4 * expected[3]!), 2);
  });

  it('does not modify the old state, and rejects a state of another size', () => {
    const state = schedule.initialState!();
    schedule.update!(state, [1], [5]);
    expect([...(state.losses as Float64Array)]).toEqual(Array.from({ length: 8 }, () => 0));
    const other = lossSecondMoment({ numTimesteps: 5, totalSteps: 1 }).initialState!();
    expect(() => schedule.density(0, other)).toThrowWith({
      type: RangeError,
      contains: ['state.losses', 'Float64Array of 8'],
    });
    expect(() => schedule.update!(state, [1], [NaN])).toThrowWith({
      type: RangeError,
      contains: ['losses[0]', 'got NaN'],
    });
  });
});

describe('difficultyCurriculum', () => {
  const schedule = difficultyCurriculum({ numTimesteps: 10, totalSteps: 10 }, { clusters: 5, patience: 2 });

  it('starts with the noisiest cluster alone', () => {
    expect([...schedule.density(0)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0.5, 0.5]);
    expect([...schedule.sample(0, [0, 0.49, 0.5, 0.999]).timesteps]).toEqual([8, 8, 9, 9]);
  });

  it('adds the next cluster after `patience` updates without a lower loss, and restarts the count', () => {
    let state = schedule.initialState!();
    const stages: number[] = [];
    for (const loss of [5, 4, 4.5, 3, 3, 3.1, 50, 49, 49, 49]) {
      state = schedule.update!(state, [9, 8], [loss, loss]);
      stages.push((state.stage as Int32Array)[0]!);
    }
    expect(stages).toEqual([1, 1, 1, 1, 1, 2, 2, 2, 2, 3]);
    expect(schedule.density(0, state).findIndex((p) => p > 0)).toBe(4);
  });

  it('ends as uniform training', () => {
    let state = schedule.initialState!();
    for (let i = 0; i < 100; i++) state = schedule.update!(state, [9], [1]);
    expect([...schedule.density(0, state)]).toEqual(Array.from({ length: 10 }, () => 0.1));
  });

  it('compares the running loss if smoothing is set', () => {
    const smooth = difficultyCurriculum({ numTimesteps: 10, totalSteps: 1 }, { clusters: 5, smoothing: 0.75 });
    let state = smooth.update!(smooth.initialState!(), [9], [4]);
    state = smooth.update!(state, [9], [8]);
    expect([...(state.loss as Float64Array)]).toEqual([5, 4]);
  });

  it.each<[() => unknown, string[]]>([
    [() => difficultyCurriculum({ numTimesteps: 10, totalSteps: 1 }, { clusters: 11 }), ['T = 10', 'got 11']],
    [() => schedule.update!(schedule.initialState!(), [], []), ['empty', 'losses']],
  ])('rejects values out of range %#', (act, contains) => {
    expect(act).toThrowWith({ type: RangeError, contains });
  });
});
