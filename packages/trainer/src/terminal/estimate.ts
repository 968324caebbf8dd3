/** Estimates the time of a session of training from its first steps. */
import type { RunStarted } from '../session/hooks.js';

export interface Estimate {
  /** Call when training starts, and after each step. */
  start(session: SessionLimits): void;
  step(step: number): void;
}

/** When a session ends: after all steps, or when it has reached a budget. */
export type SessionLimits = Pick<RunStarted, 'step' | 'totalSteps' | 'batchSize' | 'budgets'>;

/** Receives the seconds until the session ends, and whether a budget ends it before all steps are done. */
export type AnnounceEstimate = (seconds: number, isBudgeted: boolean) => void;

/** Steps measured, after the first one, which compiles and allocates. */
const measuredSteps = 3;

/** A training that takes less than this is not announced. */
const announcedSeconds = 120;

/**
 * Calls `announce` once, if the session takes more than a few minutes. Create it when the session begins, from which its
 * time budget counts.
 */
export function createEstimate(announce: AnnounceEstimate): Estimate {
  const created = performance.now();
  let session: SessionLimits | undefined;
  let began = 0;
  return {
    start(limits) {
      session = limits;
    },
    step(step) {
      if (session === undefined) return;
      const { step: first, totalSteps, batchSize, budgets } = session;
      if (step === first + 1) began = performance.now();
      if (step !== first + 1 + measuredSteps) return;
      const now = performance.now();
      const secondsPerStep = (now - began) / 1000 / measuredSteps;
      const ofAllSteps = secondsPerStep * (totalSteps - step);
      // As `reachedBudget` counts: the steps, images and seconds of this session.
      const budgetSteps = Math.min(budgets.steps ?? Infinity, Math.ceil((budgets.images ?? Infinity) / batchSize));
      const ofBudgets = Math.min(
        secondsPerStep * Math.max(0, first + budgetSteps - step),
        Math.max(0, (budgets.seconds ?? Infinity) - (now - created) / 1000),
      );
      const seconds = Math.min(ofAllSteps, ofBudgets);
      if (seconds >= announcedSeconds) announce(seconds, ofBudgets < ofAllSteps);
    },
  };
}
