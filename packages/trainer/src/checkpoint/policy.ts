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

/**
 * What to keep. Besides, three are kept: the checkpoint that best.json names, the one with the lowest training loss, and in
 * a resumed session the one that it began from, until its end. Plain data, which may be sent to another thread.
 */
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

/** A valid checkpoint, for the question whether it is kept. */
export interface RetentionCandidate {
  readonly step: number;
  /** The smoothed training loss at that step; undefined for checkpoints of older versions. */
  readonly loss: number | undefined;
}

/**
 * The steps that are no longer kept, of checkpoints in ascending order: all but the newest `keepLast`, and the one with
 * the lowest training loss, so that a training that diverges does not replace every good checkpoint by bad ones.
 */
export function expiredSteps({ keepLast }: RetentionPolicy, checkpoints: readonly RetentionCandidate[]): Set<number> {
  const lowest = lowestLoss(checkpoints)?.step;
  const older = checkpoints.slice(0, Math.max(0, checkpoints.length - keepLast));
  return new Set(older.map(({ step }) => step).filter((step) => step !== lowest));
}

/** The one with the lowest training loss, the newest of several; undefined if no loss is known. */
export function lowestLoss<T extends RetentionCandidate>(checkpoints: readonly T[]): T | undefined {
  let lowest: T | undefined;
  for (const checkpoint of checkpoints) {
    if (checkpoint.loss !== undefined && checkpoint.loss <= (lowest?.loss ?? Infinity)) lowest = checkpoint;
  }
  return lowest;
}

/**
 * How many checkpoints exist at most at a time while a run goes on from `step`, with `present` of them there already:
 * those that are kept, the best by metric and by training loss, the one that a session resumed from, and the one being
 * written before the oldest is deleted; fewer if the run does not save so often.
 */
export function maxCheckpoints({ save, retention }: CheckpointPolicy, step: number, present: number): number {
  const besides = 1 + (save.onBest ? 1 : 0) + (step > 0 ? 1 : 0);
  return Math.min(retention.keepLast + besides + 1, present + maxSaves(save, step));
}

/** How often a run saves after `step`; infinite where evaluations or the clock decide. */
function maxSaves({ everySteps, everyMinutes, onBest, totalSteps }: SavePolicy, step: number): number {
  if (onBest || everyMinutes !== null) return Infinity;
  if (everySteps === 0) return 1;
  const isLastDue = totalSteps % everySteps === 0;
  return Math.floor(totalSteps / everySteps) - Math.floor(step / everySteps) + (isLastDue ? 0 : 1);
}
