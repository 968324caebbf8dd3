/**
 * Asynchronous saving. The training loop passes on a copy of its state and continues; laying out the files, hashing,
 * writing and syncing happen in a worker thread. At most one save is in flight.
 *
 * The worker is a separate built file next to this one. Without it (when running from source, or bundled into one file)
 * saves are synchronous.
 */
import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { Arrays } from '@dm/ops';
import { codeOf, deserializeError, serializeError, UserError } from '../errors.js';
import { transferListOf, runCheckpointJob, type CheckpointJobResult, type CheckpointJob } from './checkpoint-job.js';

const workerFile = new URL('./checkpoint-worker.js', import.meta.url);

export interface AsyncCheckpointerEvents {
  /** `notes` are messages for the user about other checkpoints. */
  readonly onSaved: (saved: { readonly step: number; readonly path: string }, notes: readonly string[]) => void;
  /** Called if a save failed; earlier checkpoints are not affected. */
  readonly onFailed: (error: Error, step: number) => void;
  /** Called if a checkpoint was saved, but its log could not be synced. */
  readonly onLogFailed?: (error: Error) => void;
}

export interface AsyncCheckpointer {
  /** Starts a save after the previous one is done. Takes ownership of the job's arrays. */
  save(job: CheckpointJob): Promise<void>;
  /** The arrays of the last finished save, for reuse as the next copy; undefined if there are none. */
  acquireBuffer(): Arrays | undefined;
  /** Waits for the save in flight, whether it succeeds or fails. */
  drain(): Promise<void>;
  /**
   * Waits for the save in flight.
   *
   * @throws {Error} if the last save failed
   */
  finish(): Promise<void>;
  /** Waits for the save in flight and stops the worker thread. */
  dispose(): Promise<void>;
}

export function createAsyncCheckpointer({
  onSaved,
  onFailed,
  onLogFailed,
}: AsyncCheckpointerEvents): AsyncCheckpointer {
  const thread = existsSync(workerFile) ? createThread() : undefined;
  let flight: Promise<void> = Promise.resolve();
  /** The first and last errors since the last successful save. */
  let failures: { readonly first: Error; readonly last: Error } | undefined;
  let spare: Arrays | undefined;

  const write = async (job: CheckpointJob): Promise<void> => {
    const { step } = job.fields;
    const { outcome, state } =
      thread === undefined
        ? { outcome: runCheckpointJob(job), state: job.state }
        : await thread
            .perform(job)
            .catch((error: unknown) => ({ outcome: { error: serializeError(error) }, state: undefined }));
    spare = state;
    if ('path' in outcome) {
      failures = undefined;
      if (outcome.logError !== undefined) onLogFailed?.(deserializeError(outcome.logError));
      onSaved({ step, path: outcome.path }, outcome.notes);
      return;
    }
    const error = deserializeError(outcome.error);
    failures = { first: failures?.first ?? error, last: error };
    onFailed(error, step);
  };
  return {
    async save(job) {
      await flight;
      flight = write(job);
      flight.catch(() => {}); // what a listener throws is thrown to who waits next
      if (thread === undefined) await flight;
    },
    acquireBuffer() {
      const taken = spare;
      spare = undefined;
      return taken;
    },
    drain: () => flight,
    async finish() {
      await flight;
      if (failures === undefined) return;
      const { first, last } = failures;
      if (codeOf(first) === codeOf(last)) throw last;
      throw new UserError(`${last.message} The first failed save: ${first.message}`, {
        code: 'WRITE_FAILED',
        cause: first,
      });
    },
    async dispose() {
      try {
        await flight;
      } finally {
        await thread?.dispose();
      }
    },
  };
}

interface Thread {
  /** Runs a job; resolves with its outcome and the memory. Rejects if the thread dies, for example out of memory. */
  perform(job: CheckpointJob): Promise<CheckpointJobResult>;
  dispose(): Promise<void>;
}

/** A worker thread that starts before the first job, restarts after a crash, and does not keep the process alive when idle. */
function createThread(): Thread {
  let worker: Worker | undefined;
  const start = (): Worker => {
    const started = new Worker(workerFile);
    started.unref();
    started.on('error', () => {}); // who has work for it listens as well; an idle thread that dies is started again
    started.once('exit', () => {
      if (worker === started) worker = undefined;
    });
    return started;
  };
  worker = start();
  return {
    perform: (job) =>
      new Promise((resolve, reject) => {
        const thread = (worker ??= start());
        let error: unknown = new Error('The thread that writes checkpoints ended before its job was done.');
        const onError = (thrown: unknown) => (error = thrown);
        const onExit = () => reject(error);
        thread.on('error', onError);
        thread.once('exit', onExit);
        thread.once('message', (done: CheckpointJobResult) => {
          thread.off('error', onError);
          thread.off('exit', onExit);
          thread.unref();
          resolve(done);
        });
        thread.ref();
        thread.postMessage(job, transferListOf(job.state));
      }),
    async dispose() {
      await worker?.terminate();
    },
  };
}
