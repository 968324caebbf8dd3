/**
 * Reading and pruning the checkpoints of a run.
 *
 *   read    newest first; damaged checkpoints are skipped and reported
 *   prune   after a save: removes what the retention policy does not keep and what killed processes left behind
 *
 * A damaged checkpoint counts neither as the newest nor as one of those to keep, and is renamed. A checkpoint written by a
 * newer version is never changed, and raises an error instead of being skipped.
 */
import { removeTree, renameOver } from '@dm/files';
import { lstatSync } from 'node:fs';
import { dirname } from 'node:path';
import { readBest } from './best.js';
import { inspectCheckpoint, readCheckpoint, readOrRefuse } from './checkpoint.js';
import type { Checkpoint } from './content.js';
import { isDamage } from './damage.js';
import type { Manifest } from './manifest-format.js';
import { isPartial, listCheckpoints, listSetAside, partialPath, setAside, type ListedCheckpoint } from './layout.js';
import { expiredSteps, lowestLoss, type RetentionCandidate, type RetentionPolicy } from './policy.js';
import { lossTrendKey, smoothedLoss } from '../step/loss-trend.js';
import { UserError } from '../errors.js';

export interface LatestCheckpoint {
  /** The newest valid checkpoint, if there is one. */
  readonly checkpoint: Checkpoint | undefined;
  /** Newer checkpoints that are not valid, with the reason. */
  readonly skipped: readonly SkippedCheckpoint[];
}

export interface SkippedCheckpoint {
  readonly path: string;
  readonly reason: string;
}

/** Attempts to read while a training run that keeps a single checkpoint keeps replacing it. */
const maxAttempts = 100;

/**
 * Finds the newest valid checkpoint in a run's `checkpoints` folder. With `only`, just these files are read and must be
 * valid. Starts over if the folder changes meanwhile because a training run saves and prunes.
 *
 * `refuse` may return a reason to skip a valid checkpoint.
 *
 * @throws {UserError} `CHECKPOINT_NEWER` if a checkpoint newer than all valid ones was written by a newer version,
 *   `FILE_INVALID` if the system does not read one now
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
      skipped.push({ path, reason: 'it is incomplete' });
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

/** Rejects links, which could lead out of the run folder. */
function checkFolder(path: string): void {
  if (readOrRefuse(path, () => lstatSync(path, { throwIfNoEntry: false }))?.isDirectory() === true) return;
  throw new UserError(`${path} is not a folder.`, { code: 'CHECKPOINT_INVALID' });
}

/** Whether two listings contain the same complete checkpoints. */
function sameNames(before: readonly ListedCheckpoint[], after: readonly ListedCheckpoint[]): boolean {
  const names = (listed: readonly ListedCheckpoint[]) =>
    listed.flatMap(({ path, complete }) => (complete ? [path] : [])).join('\n');
  return names(before) === names(after);
}

/** How many damaged checkpoints to keep after renaming, unless more are found at once. */
const maxSetAside = 8;

/**
 * Renames damaged checkpoints. Of those renamed earlier, the oldest are removed if there are more than `maxSetAside` in
 * total. Returns one note per checkpoint for the user.
 */
export function setDamagedAside(damaged: readonly SkippedCheckpoint[]): string[] {
  const fresh = damaged.map(({ path }) => setAside(path));
  const notes = damaged.map(({ path, reason }, n) => `skipped ${path}: ${reason} It was renamed to ${fresh[n]}.`);
  for (const folder of new Set(fresh.map((path) => dirname(path)))) {
    const earlier = listSetAside(folder).filter((path) => !fresh.includes(path));
    const excess = Math.max(0, earlier.length + fresh.length - maxSetAside);
    for (const path of earlier.slice(0, excess)) {
      removeTree(path);
      notes.push(`removed ${path}: there are more than ${maxSetAside} damaged checkpoints`);
    }
  }
  return notes;
}

/**
 * Removes the complete checkpoints that `retention` does not keep, and leftovers of killed processes. Checkpoints of the
 * steps in `keep` are kept regardless of the policy. Damage that shows without reading file contents is handled by
 * `setDamagedAside`; returns its notes.
 */
export function pruneCheckpoints(folder: string, retention: RetentionPolicy, keep: readonly number[] = []): string[] {
  const { present, damaged } = inspectCheckpoints(folder);
  const kept = new Set([...keep, readBest(folder)?.step]);
  const expired = expiredSteps(retention, present);
  for (const { path, step } of present) {
    if (expired.has(step) && !kept.has(step)) removeCheckpoint(path);
  }
  for (const { path, complete } of listCheckpoints(folder)) {
    if (!complete) removeTree(path);
  }
  return setDamagedAside(damaged);
}

/** Renames it first, so that a process killed meanwhile does not leave half a checkpoint under a valid name. */
function removeCheckpoint(path: string): void {
  const removed = partialPath(path);
  removeTree(removed);
  renameOver(path, removed);
  removeTree(removed);
}

/** Path of the checkpoint with the lowest training loss, of those that look valid without reading file contents. */
export function lowestLossCheckpoint(folder: string): string | undefined {
  return lowestLoss(inspectCheckpoints(folder).present)?.path;
}

/** The manifest of the newest checkpoint that looks valid without reading file contents; undefined if there is none. */
export function newestManifest(folder: string): Manifest | undefined {
  for (const { path, complete } of listCheckpoints(folder).toReversed()) {
    if (!complete) continue;
    try {
      checkFolder(path);
      return inspectCheckpoint(path);
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
  }
  return undefined;
}

interface InspectedCheckpoint extends RetentionCandidate {
  readonly path: string;
}

/** The checkpoints that `inspectCheckpoint` finds valid, oldest first, and those that it finds damaged. */
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
      present.push({ step, path, ...smoothedLoss(inspectCheckpoint(path).log[lossTrendKey]) });
    } catch (error) {
      // Checkpoints of a newer version, or without read permission, must not be removed.
      if (!(error instanceof UserError)) throw error;
      if (isDamage(error)) damaged.push({ path, reason: error.message });
    }
  }
  return { present, damaged };
}
