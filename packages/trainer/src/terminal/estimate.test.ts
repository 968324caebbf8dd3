import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Config } from '../config/schema.js';
import { createEstimate } from './estimate.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const noBudgets = { seconds: null, steps: null, images: null };

function announced(totalSteps: number, budgets: Partial<Config['budgets']> = {}): number[] {
  const seconds: number[] = [];
  const estimate = createEstimate((value, isBudgeted) => {
    seconds.push(value);
    expect(isBudgeted).toBe(Object.keys(budgets).length > 0);
  });
  estimate.start({ step: 10, totalSteps, batchSize: 8, budgets: { ...noBudgets, ...budgets } });
  vi.advanceTimersByTime(60_000); // the first step compiles
  for (let step = 11; step <= 20; step++) {
    estimate.step(step);
    vi.advanceTimersByTime(2000);
  }
  return seconds;
}

it('is announced once after the first steps, without the one that compiles', () => {
  expect(announced(1014)).toEqual([2000]);
});

it('is not announced if it is short', () => {
  expect(announced(30)).toEqual([]);
});

it('is limited to what the budgets of the session allow', () => {
  // Four of the session's steps are done, and 66 s of it.
  expect(announced(1014, { steps: 104 })).toEqual([200]);
  expect(announced(1014, { images: 8 * 204 - 7 })).toEqual([400]);
  expect(announced(1014, { seconds: 366 })).toEqual([300]);
  expect(announced(1014, { steps: 104, seconds: 216 })).toEqual([150]);
  expect(announced(1014, { seconds: 100 })).toEqual([]);
  expect(announced(1014, { steps: 3 })).toEqual([]);
});
