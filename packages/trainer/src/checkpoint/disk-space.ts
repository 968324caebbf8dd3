/** Whether a disk has room for the checkpoints of a run, asked before anything is trained. */
import { listCheckpoints } from './layout.js';
import { formatMebibytes, freeBytes } from '../files/disk.js';
import { maxCheckpoints, type CheckpointPolicy } from './policy.js';
import { UserError } from '../errors.js';
import type { TrainingSetup } from '../setup/training-setup.js';
import type { RunFolder } from '../run/run-folder.js';
import { tensorBytes } from '../setup/state-table.js';

/**
 * What to say where the checkpoints to come will not all fit beside each other; undefined where they will. `free`:
 * bytes that the disk has left for us.
 * @throws {UserError} if not even one does
 */
export function checkDiskSpace(
  run: RunFolder,
  setup: TrainingSetup,
  policy: CheckpointPolicy,
  step: number,
  free: number = freeBytes(run.checkpoints),
): string | undefined {
  const { config } = setup;
  if (step >= config.totalSteps) return undefined;
  const bytes = tensorBytes(setup);
  if (bytes > free) {
    throw new UserError(
      `A checkpoint of this run takes ${formatMebibytes(bytes)}, and the disk of ${run.checkpoints} has ` +
        `${formatMebibytes(free)} left. Free some space, or choose a folder on another disk with --out.`,
      { code: 'DISK_FULL' },
    );
  }
  const present = listCheckpoints(run.checkpoints).filter(({ complete }) => complete).length;
  const more = Math.max(0, maxCheckpoints(policy, step, present) - present);
  if (more * bytes <= free) return undefined;
  return (
    `the disk of ${run.checkpoints} has ${formatMebibytes(free)} left, and up to ${more} more checkpoints of ` +
    `${formatMebibytes(bytes)} will be there at a time (checkpoints.keepLast is ${policy.retention.keepLast}, one more while it is ` +
    `written, one for the lowest training loss${policy.save.onBest ? ', one for the best by metric' : ''}` +
    `${step > 0 ? ', one that this session begins from' : ''}): free some space, or keep fewer (--keep-last 1)`
  );
}
