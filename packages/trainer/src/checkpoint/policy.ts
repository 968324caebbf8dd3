/** Policies for when a run saves checkpoints and which of them it keeps. */
import type { Config } from '../config/schema.js';

/** When to save. The last step of a run is always saved. */
export interface SavePolicy {
  /** Save every this many steps; 0 for never. */
  readonly everySteps: number;
  /** Save when this many minutes have passed since the last save; null for never. */
  readonly everyMinutes: number | null;
  /** Save whenever an evaluation finds a new best. */
  readonly onBest: boolean;
  readonly totalSteps: number;
}

/**
 * Which checkpoints to keep. Three more are always kept: the one that best.json names, the one with the lowest training
 * loss, and, until a resumed session ends, the one it resumed from. Plain data that can be sent to another thread.
 */
export interface RetentionPolicy {
  /** Number of newest checkpoints to keep. */
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

/** The situation between two steps of a run. */
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
 * Whether to save now. While updates are being skipped, only the last step is saved: the weights have not changed and may
 * be the cause.
 */
export function shouldSave(policy: SavePolicy, { step, minutesSinceSave, isBest, isSkipping }: SaveContext): boolean {
  const { everySteps, everyMinutes, totalSteps } = policy;
  if (step === totalSteps) return true;
  if (isSkipping) return false;
  return isDue(step, everySteps, totalSteps) || (everyMinutes !== null && minutesSinceSave >= everyMinutes) || isBest;
}

/** Whether something is due that happens every `every` steps (0 for never) and at the last step. */
export function isDue(step: number, every: number, totalSteps: number): boolean {
  return step === totalSteps || (every > 0 && step % every === 0);
}

/** The properties of a valid checkpoint that decide whether to keep it. */
export interface RetentionCandidate {
  readonly step: number;
  /** Smoothed training loss at that step; undefined for checkpoints of older versions. */
  readonly loss: number | undefined;
  /** Stage of the curriculum at that step, if it has stages; losses of several stages cannot be compared. */
  readonly stage?: number | undefined;
}

/**
 * The steps to remove, of checkpoints in ascending order: all except the newest `keepLast` and the one with the lowest
 * training loss, so that a diverging run does not replace all good checkpoints by bad ones.
 */
export function expiredSteps({ keepLast }: RetentionPolicy, checkpoints: readonly RetentionCandidate[]): Set<number> {
  const lowest = lowestLoss(checkpoints)?.step;
  const older = checkpoints.slice(0, Math.max(0, checkpoints.length - keepLast));
  return new Set(older.map(({ step }) => step).filter((step) => step !== lowest));
}

/**
 * The checkpoint with the lowest training loss in the stage of the newest (the newest if there are several); undefined if no
 * loss is known.
 */
export function lowestLoss<T extends RetentionCandidate>(checkpoints: readonly T[]): T | undefined {
  let lowest: T | undefined;
  const stage = checkpoints.at(-1)?.stage;
  for (const checkpoint of checkpoints.filter((each) => each.stage === stage)) {
    if (checkpoint.loss !== undefined && checkpoint.loss <= (lowest?.loss ?? Infinity)) lowest = checkpoint;
  }
  return lowest;
}

/**
 * The maximum number of checkpoints that exist at the same time while a run continues from `step` with `present` of them:
 * those that are kept, the best by metric and by training loss, the one that the session resumed from, and the one being
 * written before the oldest is deleted; fewer if the run does not save that often.
 */
export function maxCheckpoints({ save, retention }: CheckpointPolicy, step: number, present: number): number {
  const besides = 1 + (save.onBest ? 1 : 0) + (step > 0 ? 1 : 0);
  return Math.min(retention.keepLast + besides + 1, present + maxSaves(save, step));
}

/** Maximum number of saves after `step`; infinite if evaluations or the clock trigger saves. */
function maxSaves({ everySteps, everyMinutes, onBest, totalSteps }: SavePolicy, step: number): number {
  if (onBest || everyMinutes !== null) return Infinity;
  if (everySteps === 0) return 1;
  const isLastDue = totalSteps % everySteps === 0;
  return Math.floor(totalSteps / everySteps) - Math.floor(step / everySteps) + (isLastDue ? 0 : 1);
}
