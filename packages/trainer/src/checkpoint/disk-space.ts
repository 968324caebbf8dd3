/** Checks before training whether the disk has space for the checkpoints of a run. */
import { emaSnapshotBytes } from './ema-snapshots.js';
import { listCheckpoints } from './layout.js';
import { folderBytes, formatMebibytes, freeBytes } from '../files/disk.js';
import { maxCheckpoints, type CheckpointPolicy } from './policy.js';
import { UserError } from '../errors.js';
import type { TrainingSetup } from '../setup/training-setup.js';
import type { RunFolder } from '../run/run-folder.js';
import { tensorBytes } from '../setup/state-table.js';

export interface DiskSpace {
  readonly free?: number;
  readonly present?: number;
}

/** The space for a run whose folder contains another one, which is removed when it begins. */
export function spaceOfReplaced(run: RunFolder): DiskSpace {
  return { free: freeBytes(run.path) + folderBytes(run.checkpoints) + folderBytes(run.emaSnapshots), present: 0 };
}

function countCheckpoints(run: RunFolder): number {
  return listCheckpoints(run.checkpoints).filter(({ complete }) => complete).length;
}

/**
 * A warning if the disk does not have space for all checkpoints that will exist at the same time; otherwise undefined.
 * `free` is the available space in bytes, and `present` the number of checkpoints that the run begins with.
 *
 * @throws {UserError} `DISK_FULL` if not even one checkpoint fits
 */
export function checkDiskSpace(
  run: RunFolder,
  setup: TrainingSetup,
  policy: CheckpointPolicy,
  step: number,
  { free = freeBytes(run.path), present = countCheckpoints(run) }: DiskSpace = {},
): string | undefined {
  const { config } = setup;
  if (step >= config.totalSteps) return undefined;
  const bytes = tensorBytes(setup);
  if (bytes > free) {
    throw new UserError(
      `A checkpoint of this run takes ${formatMebibytes(bytes)}, but the disk of ${run.checkpoints} has only ` +
        `${formatMebibytes(free)} left. Free some space, or choose a folder on another disk with --out.`,
      { code: 'DISK_FULL' },
    );
  }
  const more = Math.max(0, maxCheckpoints(policy, step, present) - present);
  const snapshots = emaSnapshotBytes(setup, step);
  if (more * bytes + snapshots <= free) return undefined;
  return (
    `the disk of ${run.checkpoints} has ${formatMebibytes(free)} left, but up to ${more} more checkpoints of ` +
    `${formatMebibytes(bytes)} will exist at a time (checkpoints.keepLast is ${policy.retention.keepLast}, plus one being ` +
    `written, one with the lowest training loss${policy.save.onBest ? ', one with the best metric' : ''}` +
    `${step > 0 ? ', one that this session resumed from' : ''})` +
    (snapshots > 0 ? `, and EMA snapshots of ${formatMebibytes(snapshots)} will be stored` : '') +
    ': free some space, or keep fewer (--keep-last 1)'
  );
}
