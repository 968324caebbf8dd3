import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createEstimate } from './estimate.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function announced(totalSteps: number): number[] {
  const seconds: number[] = [];
  const estimate = createEstimate((value) => void seconds.push(value));
  estimate.start({ step: 10, totalSteps });
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
