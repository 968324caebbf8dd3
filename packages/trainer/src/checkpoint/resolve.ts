/** Finds the checkpoint to read, given a run or a checkpoint. */
import { dmCommand, fileKind, insideFolder, listFolder } from '@dm/files';
import { basename, dirname, join } from 'node:path';
import { parseBest, type Best } from './best.js';
import { latestCheckpoint } from './checkpoint-folder.js';
import { isCheckpoint, readCheckpoint } from './checkpoint.js';
import type { Checkpoint } from './content.js';
import { isDamage } from './damage.js';
import { checkpointPath } from './layout.js';
import { messageOf, UserError } from '../errors.js';
import { hasRun, runFolder } from '../run/run-folder.js';

/** Exactly one of `run` and `checkpoint` must be given. */
export interface CheckpointChoice {
  /** Run folder; its newest valid checkpoint is used. */
  readonly run?: string;
  /** Checkpoint folder. */
  readonly checkpoint?: string;
  /** Use the run's checkpoint with the best metric (checkpoints/best.json) instead of the newest. */
  readonly best?: boolean;
}

/** Treats a folder as a checkpoint if it is one, otherwise as a run. */
export function runOrCheckpoint(path: string): CheckpointChoice {
  return isCheckpoint(path) ? { checkpoint: path } : { run: path };
}

/**
 * Reads the chosen checkpoint; with `only`, just these files. `onNote` receives messages about newer ones that were
 * skipped. The run may be training meanwhile.
 *
 * @throws {UserError} if there is no valid checkpoint, or the given one is damaged
 */
export function resolveCheckpoint(
  { run, checkpoint, best = false }: CheckpointChoice,
  only: readonly string[],
  onNote: (text: string) => void = () => {},
): Checkpoint {
  if (checkpoint !== undefined) return readCheckpoint(checkpoint, only);
  if (run === undefined) throw new TypeError('run or checkpoint must be given');
  if (best) return bestCheckpoint(run, only);
  const { checkpoint: latest, skipped } = latestCheckpoint(runFolder(run).checkpoints, only);
  for (const { path, reason } of skipped) onNote(`skipped ${path}: ${reason}`);
  if (latest !== undefined) return latest;
  throw new UserError(`There is no valid checkpoint in ${run}. ${hintFor(run)}`, { code: 'CHECKPOINT_NOT_FOUND' });
}

/** What to do if `run` has no checkpoint: it may be an exported pipeline, or the folder in which runs are. */
function hintFor(run: string): string {
  const pipeline = [run, dirname(run)].find((path) => fileKind(join(path, 'model_index.json')) === 'file');
  if (pipeline !== undefined) {
    return `${pipeline} is a pipeline of diffusers. Import it: ${dmCommand(['import', pipeline], { out: 'runs/imported' })}`;
  }
  const isParent = fileKind(run) === 'folder' && !hasRun(runFolder(run));
  const runs = isParent ? listFolder(run).map(({ name }) => join(run, name)) : [];
  const [first, ...more] = runs.filter((path) => fileKind(runFolder(path).checkpoints) === 'folder');
  if (first === undefined) return `Train one: ${dmCommand(['train'], { out: run })}`;
  return `It contains runs. Choose one, such as ${first}${more.length === 0 ? '' : ` (and ${more.length} more)`}.`;
}

function bestCheckpoint(run: string, only: readonly string[]): Checkpoint {
  const { checkpoints } = runFolder(run);
  for (let best = bestOf(run, checkpoints); best !== undefined;) {
    const path = insideFolder(checkpoints, basename(checkpointPath(checkpoints, best.step)));
    try {
      return readCheckpoint(path, only);
    } catch (error) {
      if (!isDamage(error)) throw error;
      // A running training may have pruned it because there is a better one.
      const now = bestOf(run, checkpoints);
      if (now?.step === best.step) {
        throw new UserError(
          `${run} no longer has a best checkpoint: best.json names ${path}. ${error.message} Omit --best.`,
          { code: error.code },
        );
      }
      best = now;
    }
  }
  throw new UserError(`${run} has no best checkpoint: it was trained without --eval-every. Omit --best.`, {
    code: 'CHECKPOINT_NOT_FOUND',
  });
}

function bestOf(run: string, checkpoints: string): Best | undefined {
  try {
    return parseBest(checkpoints);
  } catch (error) {
    throw new UserError(`${messageOf(error)} Omit --best, or resume ${run}, which restores best.json from the log.`, {
      code: 'CHECKPOINT_INVALID',
    });
  }
}
