/** The one way from what a person names, a run or a checkpoint, to the checkpoint that is read. */
import { insideFolder } from '@dm/files';
import { basename } from 'node:path';
import { parseBest, type Best } from './best.js';
import { latestCheckpoint } from './checkpoint-folder.js';
import { isCheckpoint, isDamage, readCheckpoint, type Checkpoint } from './checkpoint.js';
import { checkpointPath } from './layout.js';
import { messageOf, UserError } from '../errors.js';
import { runFolder } from '../run/run-folder.js';

/** One of `run` and `checkpoint`. */
export interface CheckpointChoice {
  /** Folder of a run, whose newest valid checkpoint is used. */
  readonly run?: string;
  /** Folder of one checkpoint of a run. */
  readonly checkpoint?: string;
  /** Of the run, the checkpoint with the best metric (checkpoints/best.json) instead of the newest. */
  readonly best?: boolean;
}

/** What a folder's name stands for: one checkpoint, else a run. */
export function runOrCheckpoint(path: string): CheckpointChoice {
  return isCheckpoint(path) ? { checkpoint: path } : { run: path };
}

/**
 * Reads the chosen checkpoint, with its files `only`; `onNote` is told of newer ones that were skipped. A training may go
 * on in the run meanwhile.
 *
 * @throws {UserError} if there is none, or the one that was named is damaged
 */
export function resolveCheckpoint(
  { run, checkpoint, best = false }: CheckpointChoice,
  only: readonly string[],
  onNote: (text: string) => void = () => {},
): Checkpoint {
  if (checkpoint !== undefined) return readCheckpoint(checkpoint, only);
  if (run === undefined) throw new TypeError('either run or checkpoint must be given');
  if (best) return bestCheckpoint(run, only);
  const { checkpoint: latest, skipped } = latestCheckpoint(runFolder(run).checkpoints, only);
  for (const { path, reason } of skipped) onNote(`skipped ${path}: ${reason}`);
  if (latest !== undefined) return latest;
  throw new UserError(`There is no valid checkpoint in ${run}. Train one: dm train --out ${run}`, {
    code: 'CHECKPOINT_NOT_FOUND',
  });
}

function bestCheckpoint(run: string, only: readonly string[]): Checkpoint {
  const { checkpoints } = runFolder(run);
  for (let best = bestOf(run, checkpoints); best !== undefined;) {
    const path = insideFolder(checkpoints, basename(checkpointPath(checkpoints, best.step)));
    try {
      return readCheckpoint(path, only);
    } catch (error) {
      if (!isDamage(error)) throw error;
      // A training may have pruned it meanwhile, because there is a better one.
      const now = bestOf(run, checkpoints);
      if (now?.step === best.step) {
        throw new UserError(
          `${run} has no best checkpoint any more: best.json names ${path}. ${error.message} Leave --best out.`,
          { code: error.code },
        );
      }
      best = now;
    }
  }
  throw new UserError(`${run} has no best checkpoint: it was trained without --eval-every. Leave --best out.`, {
    code: 'CHECKPOINT_NOT_FOUND',
  });
}

function bestOf(run: string, checkpoints: string): Best | undefined {
  try {
    return parseBest(checkpoints);
  } catch (error) {
    throw new UserError(`${messageOf(error)} Leave --best out, or resume ${run}: its log tells which was the best.`, {
      code: 'CHECKPOINT_INVALID',
    });
  }
}
