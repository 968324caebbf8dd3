// The conclusion from synthetic results whose answer is known.
import { noiseBuckets } from '@dm/eval';
import { scheduleFromBetas } from '@dm/core';
import { trialFields } from '@dm/experiments';
import { expect, it } from 'vitest';
import { learning, optimum, overUniform, rankCorrelation } from './analysis.js';
import { difficultyExperiment } from './difficulty.js';
import { uniformBetween, type DifficultyResult } from './run-trial.js';
import {
  BUCKETS,
  measuredSteps,
  MIDDLE,
  referenceTrials,
  TIMESTEPS,
  trainingTrials,
  type DifficultyTrial,
} from './trial.js';

const schedule = scheduleFromBetas(
  Float64Array.from({ length: TIMESTEPS }, (_, t) => 1e-4 + (2e-2 * t) / TIMESTEPS),
  'test',
);
const buckets = noiseBuckets(schedule, BUCKETS);
const optima = buckets.map((_, b) => 1 / (b + 1));

/** A loss that exceeds the optimum of bucket b by the fraction excess(b) / step. */
const resultOf = (trial: DifficultyTrial, excess: (bucket: number) => number): DifficultyResult => {
  const steps = measuredSteps(trial.size.images / trial.arm.recipe.batch[0]!.size);
  return {
    ...trialFields(trial),
    parameters: 1,
    seconds: { training: 1, measuring: 1 },
    buckets,
    readings: steps.map((step) => ({ step, loss: optima.map((value, b) => value * (1 + excess(b) / step)) })),
    gradients: [
      { step: 1, snr: buckets.map((_, b) => b) },
      { step: 2, snr: buckets.map((_, b) => -b) },
    ],
  };
};
const byArm = (results: readonly DifficultyResult[]) =>
  new Map(results.map(({ arm }) => [arm, results.filter((one) => one.arm === arm)]));

const reference = byArm(referenceTrials('laptop').map((trial) => resultOf(trial, () => 0)));
/** Results whose excess, in units of the steps, is `excess` of arm, seed, and bucket. */
const trainings = (excess: (arm: string, bucket: number) => number) =>
  byArm(
    trainingTrials('laptop').map((trial) =>
      // Seeds differ a little, so that intervals are not empty.
      resultOf(trial, (b) => excess(trial.arm.name, b) * (1 + 1e-3 * trial.seed)),
    ),
  );

it('plans two long runs, one of them with bounds, and three seeds of four arms', () => {
  const [first, second, ...others] = referenceTrials('laptop');
  expect(others).toEqual([]);
  expect([first!.size.boundImages > 0, second!.size.boundImages > 0]).toEqual([true, false]);
  expect(first!.size.images).toBe(8 * trainingTrials('laptop')[0]!.size.images);
  expect(trainingTrials('laptop').map(({ arm, seed, size }) => [arm.name, seed, ...size.timesteps])).toEqual(
    [0, 1, 2].flatMap((seed) => [
      ['v', seed, 0, 1000],
      ['epsilon', seed, 0, 1000],
      ['v-noisy', seed, 500, 1000],
      ['v-clean', seed, 0, 500],
    ]),
  );
});

it('measures at half octaves up to the last step', () => {
  expect(measuredSteps(16)).toEqual([1, 2, 3, 4, 6, 8, 11, 16]);
  expect(measuredSteps(5000).slice(-3)).toEqual([2500, 3536, 5000]);
});

it('the optimum is the lowest final loss of the long runs, by bucket', () => {
  const trials = referenceTrials('laptop');
  const long = (k: number, of: (b: number) => number) => resultOf(trials[k]!, (b) => of(b) * 40_000);
  const losses = optimum(byArm([long(0, (b) => b), long(1, () => 2)]))!;
  losses.forEach((loss, b) => expect(loss).toBeCloseTo(optima[b]! * (1 + Math.min(b, 2)), 12));
  expect(optimum(new Map())).toBeUndefined();
});

it('images to within 10%, excess, and SNR of a run', () => {
  const [trial] = trainingTrials('laptop');
  // 1 + c / step <= 1.1 from step 10 c on, interpolated linearly between the measured steps.
  const run = learning(
    resultOf(trial!, (b) => (b === 9 ? 1000 : 100)),
    optima,
  );
  expect(run[0]!.images / 16).toBeGreaterThan(884);
  expect(run[0]!.images / 16).toBeLessThan(1250);
  expect(run[9]!.images).toBe(Infinity);
  expect(run[9]!.excess).toBeCloseTo(0.2, 12);
  expect(run.map(({ snrEarly }) => snrEarly)).toEqual(buckets.map((_, b) => b));
  expect(rankCorrelation([run, run], 'snrEarly')!.mean).toBeCloseTo(1, 12);
  expect(rankCorrelation([run, run], 'snrEnd')!.mean).toBeCloseTo(-1, 12);
});

it('rank correlations over all ranges, and without those below log SNR -5', () => {
  const training = trainings((arm, b) => (arm === 'v' ? 100 / (b + 1) : b < 7 ? 100 * (b + 1) : 10));
  const { verdict, numbers } = difficultyExperiment.conclude({ reference, training }, 'laptop');
  expect(verdict).toBeUndefined();
  const { correlations } = numbers as {
    correlations: { arm: string; measure: string; scope: string; mean: number; n: number }[];
  };
  const of = (arm: string, scope: string) =>
    correlations.find((one) => one.arm === arm && one.measure === 'excess' && one.scope === scope)!;
  expect(of('v', 'all')).toMatchObject({ mean: expect.closeTo(-1, 12), n: 3 });
  expect(of('epsilon', 'log SNR above -5').mean).toBeCloseTo(1, 12);
  expect(of('epsilon', 'all').mean).toBeLessThan(0.5);
});

it('a prediction that reaches no range has no rank correlation of images', () => {
  const training = trainings((arm, b) => (arm === 'epsilon' ? 1e6 : 100 / (b + 1)));
  const { sentences } = difficultyExperiment.conclude({ reference, training }, 'laptop');
  expect(sentences[0]).toMatch(/v -1\.00.*, epsilon none/);
});

it('is undecided without three seeds of each prediction', () => {
  const training = trainings((_, b) => 100 / (b + 1));
  training.set('epsilon', training.get('epsilon')!.slice(0, 2));
  expect(difficultyExperiment.conclude({ reference, training }, 'laptop').verdict).toBe('open');
  expect(difficultyExperiment.conclude({}, 'laptop').verdict).toBe('open');
});

it('transfer: losses of each half / losses of training on all timesteps', () => {
  // After the last step, 5000: twice the optimum at v, four times at v-noisy's clean half, 1.5 times at its noisy half.
  const training = trainings((arm, b) => 5000 * (arm === 'v-noisy' ? (b < 5 ? 3 : 0.5) : 1));
  expect(overUniform(training, 'v-noisy', 'clean')!.mean).toBeCloseTo(2, 2);
  expect(overUniform(training, 'v-noisy', 'noisy')!.mean).toBeCloseTo(0.75, 2);
  // At half of the steps, with 1 + 0.5 * 2 times the optimum, as many noisy images as uniform training in all.
  expect(overUniform(training, 'v-noisy', 'noisy', 0.5)!.mean).toBeCloseTo(1, 2);
  expect(overUniform(training, 'v-noisy', 'noisy')!.n).toBe(3);
});

it('trains only timesteps of its range', () => {
  const curriculum = uniformBetween([MIDDLE, TIMESTEPS], { numTimesteps: TIMESTEPS });
  expect([...curriculum.sample(0, [0, 0.501, 0.999_999]).timesteps]).toEqual([500, 750, 999]);
  expect(curriculum.density(0).reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 12);
});
