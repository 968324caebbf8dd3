/** One save, from the copied state to disk; runs in a worker thread if available (checkpoint-worker.ts). */
import type { Arrays } from '@dm/ops';
import { writeBest, type Best } from './best.js';
import { pruneCheckpoints } from './checkpoint-folder.js';
import { writeCheckpoint } from './checkpoint.js';
import type { FileContent } from './content.js';
import type { ManifestFields } from './manifest-format.js';
import type { RetentionPolicy } from './policy.js';
import { fsyncFile } from '@dm/files';
import { serializeError, type SerializedError } from '../errors.js';

/** Plain data that can be sent to another thread. */
export interface CheckpointJob {
  /** The run's `checkpoints` folder. */
  readonly folder: string;
  readonly fields: ManifestFields;
  readonly files: Readonly<Record<string, FileContent>>;
  /** The arrays that `files` are views of. Their memory is transferred with the job, and returned when it is done. */
  readonly state: Arrays;
  /** Log files to sync before the checkpoint, so that no checkpoint is ahead of the log (unless syncing fails). */
  readonly logs: readonly string[];
  /** Set if this checkpoint is the best so far. */
  readonly best: Best | undefined;
  readonly retention: RetentionPolicy;
  /** The step of the newest checkpoint that was read back and found valid; it is not pruned. */
  readonly verifiedStep: number | undefined;
}

/** Plain data, since errors lose their class when sent between threads. */
export type CheckpointOutcome =
  | { readonly path: string; readonly notes: readonly string[]; readonly logError?: SerializedError }
  | { readonly error: SerializedError };

/** The result that the thread sends back. */
export interface CheckpointJobResult {
  readonly outcome: CheckpointOutcome;
  readonly state: Arrays;
}

/** The buffers of these arrays, for transfer between threads without copying. */
export function transferListOf(arrays: Arrays): ArrayBuffer[] {
  return [...new Set(Object.values(arrays).map(({ data }) => data.buffer as ArrayBuffer))];
}

/** Runs a job. Never throws. */
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

/** Syncs the logs and returns the first error instead of throwing: the state is saved even if its log is not. */
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
