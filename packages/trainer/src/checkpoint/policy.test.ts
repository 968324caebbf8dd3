import { expect, it } from 'vitest';
import { expiredSteps, lowestLoss } from './policy.js';

it('the lowest loss is one of the stage of the newest checkpoint', () => {
  const easy = [1, 2].map((step) => ({ step, loss: step / 100, stage: 1 }));
  const hard = [3, 4, 5].map((step) => ({ step, loss: step, stage: 2 }));
  expect(lowestLoss([...easy, ...hard])).toBe(hard[0]);
  expect(lowestLoss(easy)).toBe(easy[0]);
  expect(lowestLoss([...easy, { step: 3, loss: undefined, stage: 2 }])).toBeUndefined();
  expect([...expiredSteps({ keepLast: 1 }, [...easy, ...hard])]).toEqual([1, 2, 4]);
  expect(
    lowestLoss([
      { step: 1, loss: 2 },
      { step: 2, loss: 1 },
      { step: 3, loss: 1 },
    ]),
  ).toMatchObject({ step: 3 });
});
