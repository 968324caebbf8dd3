/** When a run saves checkpoints and which of them it keeps: the one place where both are decided. */
import type { Config } from '../config/schema.js';

/** When to save. The last step of a run is always saved. */
export interface SavePolicy {
  /** Every so many steps; 0 for never. */
  readonly everySteps: number;
  /** Once so many minutes have passed since the last save; null for never. */
  readonly everyMinutes: number | null;
  /** Whenever an evaluation gives a new best. */
  readonly onBest: boolean;
  readonly totalSteps: number;
}

/** What to keep. The checkpoint that best.json names is kept besides. Plain data, which may be sent to another thread. */
export interface RetentionPolicy {
  /** How many of the newest checkpoints are kept. */
  readonly keepLast: number;
}

export interface CheckpointPolicy {
  readonly save: SavePolicy;
  readonly retention: RetentionPolicy;
}

export function checkpointPolicy(config: Config): CheckpointPolicy {
  const { checkpoints, evaluation, totalSteps } = config;
  const { every, minutes, keepLast } = checkpoints;
  return {
    save: { everySteps: every, everyMinutes: minutes, onBest: evaluation.every > 0, totalSteps },
    retention: { keepLast },
  };
}

/** A moment between two steps of a run. */
export interface SaveContext {
  /** Optimizer steps done. */
  readonly step: number;
  readonly minutesSinceSave: number;
  /** Whether the weights of this step are the best so far. */
  readonly isBest: boolean;
  /** Whether the last update was skipped. */
  readonly isSkipping: boolean;
}

/**
 * Whether to save now. While updates are skipped nothing is saved before the end: the weights are those of before, and
 * may be what is wrong.
 */
export function shouldSave(policy: SavePolicy, { step, minutesSinceSave, isBest, isSkipping }: SaveContext): boolean {
  const { everySteps, everyMinutes, totalSteps } = policy;
  if (step === totalSteps) return true;
  if (isSkipping) return false;
  return isDue(step, everySteps, totalSteps) || (everyMinutes !== null && minutesSinceSave >= everyMinutes) || isBest;
}

/** Every `every` steps (0 for never), and at the end. */
export function isDue(step: number, every: number, totalSteps: number): boolean {
  return step === totalSteps || (every > 0 && step % every === 0);
}

/** The steps of complete checkpoints, ascending, that are no longer kept; `bestStep` is that of best.json. */
export function expiredSteps(
  { keepLast }: RetentionPolicy,
  steps: readonly number[],
  bestStep: number | undefined,
): number[] {
  return steps.slice(0, Math.max(0, steps.length - keepLast)).filter((step) => step !== bestStep);
}

/**
 * How many checkpoints exist at most at a time while a run goes on from `step`, with `present` of them there already:
 * those that are kept, the best one, and the one being written before the oldest is deleted; fewer where the run does
 * not save so often.
 */
export function maxCheckpoints({ save, retention }: CheckpointPolicy, step: number, present: number): number {
  return Math.min(retention.keepLast + (save.onBest ? 1 : 0) + 1, present + maxSaves(save, step));
}

/** How often a run saves after `step`; infinite where evaluations or the clock decide. */
function maxSaves({ everySteps, everyMinutes, onBest, totalSteps }: SavePolicy, step: number): number {
  if (onBest || everyMinutes !== null) return Infinity;
  if (everySteps === 0) return 1;
  const isLastDue = totalSteps % everySteps === 0;
  return Math.floor(totalSteps / everySteps) - Math.floor(step / everySteps) + (isLastDue ? 0 : 1);
}
