import { expect, it } from 'vitest';
import { createTimestepSchedule, timestepScheduleNames } from './registry.js';
import { curriculumTable, effectiveSampleSize, summarizeDensity } from './table.js';
import { linearAlphasCumprod, uniforms } from './testing.js';

const context = { numTimesteps: 200, totalSteps: 50, alphasCumprod: linearAlphasCumprod(200) };
const adaptive = ['lossSecondMoment', 'difficultyCurriculum', 'infoNoise', 'excessLoss'];
const each = Float64Array.from({ length: 200 }, (_, t) => t);

it.each(timestepScheduleNames.filter((name) => !adaptive.includes(name)))(
  'the table of %s has its densities and weights at every step',
  (name) => {
    const schedule = createTimestepSchedule(name, context);
    const { density, lambda, isImportanceCorrected, weights } = curriculumTable(schedule, context.totalSteps);
    for (const step of [0, 1, 24, 49]) {
      const share = lambda[Math.min(step, lambda.length - 1)]!;
      const p = density.map((g) => (1 - share) / 200 + share * g);
      expect(p).toEqual(schedule.density(step));
      const sample = schedule.sample(step, uniforms(100, step));
      const expected = Array.from(
        sample.timesteps,
        (t) => weights[t]! * (isImportanceCorrected ? 1 / (200 * p[t]!) : 1),
      );
      expect(sample.weights).toBeAllClose(expected, { rtol: 1e-6 });
    }
  },
);

it('only schedules that change have a lambda per step', () => {
  const length = (name: 'clts' | 'edm' | 'cltsTimeAverage' | 'cltsReversed'): number =>
    curriculumTable(createTimestepSchedule(name, context), 50).lambda.length;
  expect([length('clts'), length('cltsReversed'), length('edm'), length('cltsTimeAverage')]).toEqual([50, 50, 1, 1]);
});

it.each(adaptive)('%s has no table', (name) => {
  const schedule = createTimestepSchedule(name as 'lossSecondMoment', context);
  expect(() => curriculumTable(schedule, 50)).toThrowWith({ type: RangeError, contains: [name] });
  expect(() => summarizeDensity(schedule, 0, [])).toThrowWith({ type: RangeError, contains: [name] });
});

it('quantiles and effective sample size in closed form', () => {
  const uniform = createTimestepSchedule('uniform', context);
  expect(summarizeDensity(uniform, 0, [0, 0.25, 0.5, 1])).toMatchObject({
    quantiles: [0, 49, 99, 199],
    effectiveSampleSize: expect.closeTo(1, 12) as number,
  });
  expect(each.map((t) => summarizeDensity(uniform, 0, [(t + 1) / 200 - 1e-9]).quantiles[0]!)).toEqual(each);
  // Two values a and b with equal counts: 1 / mean(1 / (T p)) = 2 / (1 / a' + 1 / b') with a' + b' = 2.
  expect(effectiveSampleSize([0.1, 0.4, 0.1, 0.4])).toBeCloseTo(2 / (1 / 0.4 + 1 / 1.6), 12);
  expect(effectiveSampleSize([0.5, 0.5, 0])).toBe(0);
  // Without a uniform part, importance weights leave 7.3% of a batch.
  const bare = createTimestepSchedule('clts', { numTimesteps: 1000, totalSteps: 2 }, { lambdaMax: 1, rampSteps: 1 });
  expect(summarizeDensity(bare, 1, []).effectiveSampleSize).toBeCloseTo(0.073, 3);
});
