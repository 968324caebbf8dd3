/** One save, from the copied state to the disk: done in a thread of its own where there is one (checkpoint-worker.ts). */
import type { Arrays } from '@dm/ops';
import { writeBest, type Best } from './best.js';
import { pruneCheckpoints } from './checkpoint-folder.js';
import { writeCheckpoint, type FileContent } from './checkpoint.js';
import type { ManifestFields } from './manifest.js';
import type { RetentionPolicy } from './policy.js';
import { fsyncFile } from '@dm/files';
import { serializeError, type SerializedError } from '../errors.js';

/** Plain data, which may be sent to another thread. */
export interface CheckpointJob {
  /** The run's `checkpoints`. */
  readonly folder: string;
  readonly fields: ManifestFields;
  readonly files: Readonly<Record<string, FileContent>>;
  /** The arrays that `files` are views of: their memory goes to the saver with the job, and comes back when it is done. */
  readonly state: Arrays;
  /** Files of the log: on the disk before the checkpoint is, so that no checkpoint knows more than the log, unless it refuses. */
  readonly logs: readonly string[];
  /** Where this checkpoint is the best so far. */
  readonly best: Best | undefined;
  readonly retention: RetentionPolicy;
  /** The step of the newest checkpoint that was read back and found valid; it is not pruned. */
  readonly verifiedStep: number | undefined;
}

/** Plain data again: errors lose their class on the way between threads. */
export type CheckpointOutcome =
  | { readonly path: string; readonly notes: readonly string[]; readonly logError?: SerializedError }
  | { readonly error: SerializedError };

/** What the thread answers. */
export interface CheckpointJobResult {
  readonly outcome: CheckpointOutcome;
  readonly state: Arrays;
}

/** The memory of these arrays, to be handed over between threads instead of copied. */
export function transferListOf(arrays: Arrays): ArrayBuffer[] {
  return [...new Set(Object.values(arrays).map(({ data }) => data.buffer as ArrayBuffer))];
}

/** Does it, and never throws. */
export function runCheckpointJob(job: CheckpointJob): CheckpointOutcome {
  const { folder, fields, files, logs, best, retention, verifiedStep = fields.step } = job;
  try {
    const logError = syncLogs(logs);
    const path = writeCheckpoint(folder, fields, files);
    if (best !== undefined) writeBest(folder, best);
    const notes = pruneCheckpoints(folder, retention, [fields.step, verifiedStep]);
    return { path, notes, ...(logError !== undefined && { logError }) };
  } catch (error) {
    return { error: serializeError(error) };
  }
}

/** Returns the first error: a state is worth more than its log. */
function syncLogs(logs: readonly string[]): SerializedError | undefined {
  let first: SerializedError | undefined;
  for (const log of logs) {
    try {
      fsyncFile(log);
    } catch (error) {
      first ??= serializeError(error);
    }
  }
  return first;
}
