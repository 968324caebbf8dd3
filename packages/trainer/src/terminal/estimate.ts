/** Estimates the time of a training from its first steps. */
import type { RunStarted } from '../session/hooks.js';

export interface Estimate {
  /** Call when training starts, and after each step. */
  start(started: Pick<RunStarted, 'step' | 'totalSteps'>): void;
  step(step: number): void;
}

/** Steps measured, after the first one, which compiles and allocates. */
const measuredSteps = 3;

/** A training that takes less than this is not announced. */
const announcedSeconds = 120;

/** Calls `announce` once, with the seconds of the remaining steps, if there are more than a few minutes. */
export function createEstimate(announce: (seconds: number) => void): Estimate {
  let [first, total, began] = [0, 0, 0];
  return {
    start({ step, totalSteps }) {
      [first, total] = [step, totalSteps];
    },
    step(step) {
      if (step === first + 1) began = performance.now();
      if (step !== first + 1 + measuredSteps) return;
      const seconds = ((performance.now() - began) / 1000 / measuredSteps) * (total - step);
      if (seconds >= announcedSeconds) announce(seconds);
    },
  };
}
