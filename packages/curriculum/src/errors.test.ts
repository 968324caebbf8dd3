import { expect, it } from 'vitest';
import { createTimestepSchedule } from './registry.js';

it.each<[string, () => unknown]>([
  ['an unknown schedule', () => createTimestepSchedule('none' as never, { numTimesteps: 10 } as never)],
  [
    'a schedule without alphasCumprod',
    () => createTimestepSchedule('laplace' as never, { numTimesteps: 10, numSteps: 10 } as never),
  ],
])('%s is a RangeError', (_, act) => {
  expect(act).toThrow(RangeError);
});
