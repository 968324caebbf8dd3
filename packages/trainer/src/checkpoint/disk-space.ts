/** Whether a disk has room for the checkpoints of a run, asked before anything is trained. */
import { listCheckpoints } from './checkpoint.js';
import { formatMebibytes, freeBytes } from '../files/disk.js';
import type { Config } from '../config/schema.js';
import { UserError } from '../errors.js';
import type { TrainingSetup } from '../setup/training-setup.js';
import type { RunFolder } from '../run/run-folder.js';
import { uncertaintyChannels, uncertaintyEntries } from '../setup/uncertainty.js';

/**
 * Bytes of a checkpoint's tensors: weights, averages, slots of the optimizer, the model's buffers beside weights, and the
 * head of a learned uncertainty with the constants of its features.
 */
export function checkpointBytes({
  layout,
  bufferLayout,
  averages,
  optimizer,
  uncertainty,
}: Pick<TrainingSetup, 'layout' | 'bufferLayout' | 'averages' | 'optimizer' | 'uncertainty'>): number {
  const copies = 1 + averages.length;
  const head = uncertainty ? uncertaintyChannels * (uncertaintyEntries(uncertainty).length + 2) : 0;
  return 4 * (layout.size * (copies + optimizer.slots.length) + bufferLayout.size * copies + head);
}

/**
 * How many checkpoints lie in the folder at most, while a run goes on from `step`: those that are kept, the best one, and
 * the one being written before the oldest goes; fewer where the run does not save so often.
 */
export function mostCheckpoints(config: Config, step: number, present: number): number {
  const { keep, evalEvery, checkpointEvery, checkpointMinutes, totalSteps } = config;
  const limit = keep + (evalEvery > 0 ? 1 : 0) + 1;
  if (evalEvery > 0 || checkpointMinutes !== null) return limit;
  const isLastDue = checkpointEvery > 0 && totalSteps % checkpointEvery === 0;
  const due = checkpointEvery > 0 ? Math.floor(totalSteps / checkpointEvery) - Math.floor(step / checkpointEvery) : 0;
  return Math.min(limit, present + due + (isLastDue ? 0 : 1));
}

/**
 * What to say where the checkpoints to come will not all fit beside each other; undefined where they will. Throws a
 * UserError where not even one does. `free`: bytes that the disk has left for us.
 */
export function checkRoom(
  run: RunFolder,
  setup: TrainingSetup,
  step: number,
  free: number = freeBytes(run.checkpoints),
): string | undefined {
  const { config } = setup;
  if (step >= config.totalSteps) return undefined;
  const bytes = checkpointBytes(setup);
  if (bytes > free) {
    throw new UserError(
      `A checkpoint of this run takes ${formatMebibytes(bytes)}, and the disk of ${run.checkpoints} has ` +
        `${formatMebibytes(free)} left. Free some space, or choose a folder on another disk with --out.`,
    );
  }
  const present = listCheckpoints(run.checkpoints).filter(({ complete }) => complete).length;
  const more = Math.max(0, mostCheckpoints(config, step, present) - present);
  if (more * bytes <= free) return undefined;
  return (
    `the disk of ${run.checkpoints} has ${formatMebibytes(free)} left, and up to ${more} more checkpoints of ` +
    `${formatMebibytes(bytes)} will lie there at a time (keep is ${config.keep}, one more while it is written` +
    `${config.evalEvery > 0 ? ', one more for the best' : ''}): free some space, or keep fewer (--set keep=1)`
  );
}
