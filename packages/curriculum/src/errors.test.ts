import { expect, it } from 'vitest';
import type { ContinuousLevels } from './continuous.js';
import { discreteSchedule } from './discrete.js';
import { createTimestepSchedule } from './registry.js';

const flow: ContinuousLevels = { coordinate: 'flowTime', min: 0, max: 1 };

it.each<[string, () => unknown]>([
  ['an unknown schedule', () => createTimestepSchedule('none' as never, { numTimesteps: 10 } as never)],
  [
    'a schedule without alphasCumprod',
    () => createTimestepSchedule('laplace' as never, { numTimesteps: 10, numSteps: 10 } as never),
  ],
  ...Object.entries({
    'NaN in': [NaN, 1],
    'a negative entry in': [-0.5, 1.5],
    'a sum of 2 of': [1, 1],
    'a sum of 0.5 of': [0.25, 0.25],
    'too few entries of': [1],
  }).flatMap(([what, density]): [string, () => unknown][] =>
    [undefined, flow].map((continuous) => [
      `${what} a density${continuous === undefined ? '' : ' in continuous time'}`,
      () =>
        discreteSchedule({
          name: 'own',
          numTimesteps: 2,
          density: () => Float64Array.from(density),
          continuous,
        }).sample(0, [0.5]),
    ]),
  ),
])('%s is a RangeError', (_, act) => {
  expect(act).toThrow(RangeError);
});
