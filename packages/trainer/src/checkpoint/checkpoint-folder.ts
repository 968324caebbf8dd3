/**
 * The checkpoints of a run: which one is read, which are kept.
 *
 *   read    newest first; what is damaged is skipped and reported
 *   prune   after a save: what the retention policy does not keep, and what killed processes left behind
 *
 * A damaged checkpoint counts for nothing, neither as the newest nor among those that are kept. It is set aside under
 * another name. One that a newer version wrote is never touched, and is an error for whoever would have to pass it over.
 */
import { lstatSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { readBest } from './best.js';
import { inspectCheckpoint, isDamage, readCheckpoint, type Checkpoint } from './checkpoint.js';
import { isPartial, listCheckpoints, listSetAside, partialPath, setAside, type ListedCheckpoint } from './layout.js';
import { expiredSteps, lowestLoss, type RetentionCandidate, type RetentionPolicy } from './policy.js';
import { smoothedLoss } from '../step/loss-trend.js';
import { UserError } from '../errors.js';

export interface LatestCheckpoint {
  /** The newest checkpoint that holds, if there is one. */
  readonly checkpoint: Checkpoint | undefined;
  /** Newer ones that do not, with the reason. */
  readonly skipped: readonly SkippedCheckpoint[];
}

export interface SkippedCheckpoint {
  readonly path: string;
  readonly reason: string;
}

/** A training that saves all the time and keeps one checkpoint removes what is being read; sooner or later a read is faster. */
const maxAttempts = 100;

/**
 * Finds the newest valid checkpoint of a run's `checkpoints` folder, reading from the newest down: valid as a whole, or as
 * far as its files `only` go. If the folder changes meanwhile, because a training saves and prunes, it begins again.
 *
 * `refuse` may give a reason to pass over one that is valid.
 *
 * @throws {UserError} `CHECKPOINT_NEWER` if a newer version wrote a checkpoint after all valid ones, `FILE_INVALID` if
 *   the system does not let us read
 */
export function latestCheckpoint(
  folder: string,
  only?: readonly string[],
  refuse: (checkpoint: Checkpoint) => string | undefined = () => undefined,
): LatestCheckpoint {
  for (let attempt = 1; ; attempt++) {
    const listed = listCheckpoints(folder);
    const latest = newestValid(listed, only, refuse);
    const wasSteady = latest.skipped.every(({ path }) => isPartial(path)) && latest.checkpoint !== undefined;
    if (wasSteady || attempt === maxAttempts || sameNames(listed, listCheckpoints(folder))) return latest;
  }
}

function newestValid(
  listed: readonly ListedCheckpoint[],
  only: readonly string[] | undefined,
  refuse: (checkpoint: Checkpoint) => string | undefined,
): LatestCheckpoint {
  const skipped: SkippedCheckpoint[] = [];
  for (const { path, complete } of listed.toReversed()) {
    if (!complete) {
      skipped.push({ path, reason: 'writing it was never finished' });
      continue;
    }
    try {
      checkFolder(path);
      const checkpoint = readCheckpoint(path, only);
      const reason = refuse(checkpoint);
      if (reason === undefined) return { checkpoint, skipped };
      skipped.push({ path, reason });
    } catch (error) {
      if (!isDamage(error)) throw error;
      skipped.push({ path, reason: error.message });
    }
  }
  return { checkpoint: undefined, skipped };
}

/** A link would lead out of the run. */
function checkFolder(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return;
  throw new UserError(`${path} is no folder.`, { code: 'CHECKPOINT_INVALID' });
}

/** Whether two listings have the same complete checkpoints. */
function sameNames(before: readonly ListedCheckpoint[], after: readonly ListedCheckpoint[]): boolean {
  const names = (listed: readonly ListedCheckpoint[]) =>
    listed.flatMap(({ path, complete }) => (complete ? [path] : [])).join('\n');
  return names(before) === names(after);
}

/** How many checkpoints that were set aside stay, unless more are found damaged at a time. */
const maxSetAside = 8;

/**
 * Sets damaged checkpoints aside under another name. Of those that were set aside before, the oldest are removed if there
 * are more than eight altogether. Returns what a person should know, a sentence for each.
 */
export function setDamagedAside(damaged: readonly SkippedCheckpoint[]): string[] {
  const fresh = damaged.map(({ path }) => setAside(path));
  const notes = damaged.map(({ path, reason }, n) => `skipped ${path}: ${reason} It is set aside as ${fresh[n]}.`);
  for (const folder of new Set(fresh.map((path) => dirname(path)))) {
    const earlier = listSetAside(folder).filter((path) => !fresh.includes(path));
    const excess = Math.max(0, earlier.length + fresh.length - maxSetAside);
    for (const path of earlier.slice(0, excess)) {
      rmSync(path, { recursive: true, force: true });
      notes.push(`removed ${path}: more than ${maxSetAside} damaged checkpoints were set aside`);
    }
  }
  return notes;
}

/**
 * Removes the complete checkpoints that `retention` does not keep, and what earlier, killed processes left behind. Those of
 * the steps `keep` stay whatever the policy says. What is found damaged, as far as that can be told without reading file
 * contents, is set aside; the returned notes say so.
 */
export function pruneCheckpoints(folder: string, retention: RetentionPolicy, keep: readonly number[] = []): string[] {
  const { present, damaged } = inspectCheckpoints(folder);
  const kept = new Set([...keep, readBest(folder)?.step]);
  const expired = expiredSteps(retention, present);
  for (const { path, step } of present) {
    if (expired.has(step) && !kept.has(step)) removeCheckpoint(path);
  }
  for (const { path, complete } of listCheckpoints(folder)) {
    if (!complete) rmSync(path, { recursive: true, force: true });
  }
  return setDamagedAside(damaged);
}

/** First under another name: a process that is killed meanwhile must not leave half a checkpoint under a valid one. */
function removeCheckpoint(path: string): void {
  const removed = partialPath(path);
  rmSync(removed, { recursive: true, force: true });
  renameSync(path, removed);
  rmSync(removed, { recursive: true, force: true });
}

/** The checkpoint with the lowest training loss, as far as that can be told without reading file contents. */
export function lowestLossCheckpoint(folder: string): string | undefined {
  return lowestLoss(inspectCheckpoints(folder).present)?.path;
}

interface InspectedCheckpoint extends RetentionCandidate {
  readonly path: string;
}

/** All that `inspectCheckpoint` finds whole, oldest first, and what it finds damaged. */
function inspectCheckpoints(folder: string): {
  readonly present: readonly InspectedCheckpoint[];
  readonly damaged: readonly SkippedCheckpoint[];
} {
  const present: InspectedCheckpoint[] = [];
  const damaged: SkippedCheckpoint[] = [];
  for (const { path, step, complete } of listCheckpoints(folder)) {
    if (!complete) continue;
    try {
      checkFolder(path);
      present.push({ step, path, loss: smoothedLoss(inspectCheckpoint(path).log[lossTrendKey]) });
    } catch (error) {
      // One of a newer version, or one that we may not read, is not ours to remove.
      if (!(error instanceof UserError)) throw error;
      if (isDamage(error)) damaged.push({ path, reason: error.message });
    }
  }
  return { present, damaged };
}

/** Under this name a checkpoint's log has the state of the `LossTrend`. */
export const lossTrendKey = 'lossTrend';
