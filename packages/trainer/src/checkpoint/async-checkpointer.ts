/**
 * Saving while training goes on. The loop hands a copy of its state over and trains on; laying the files out, hashing,
 * writing and waiting for the disk happen in a thread of their own. At most one save is in flight.
 *
 * The thread's code is a built file beside this one. Where it is not (the sources under test, a program bundled into
 * one file) each save is made on the spot, and the loop waits for it.
 */
import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { Arrays } from '@dm/ops';
import { codeOf, deserializeError, serializeError, UserError } from '../errors.js';
import { transferListOf, runCheckpointJob, type CheckpointJobResult, type CheckpointJob } from './checkpoint-job.js';

const workerFile = new URL('./checkpoint-worker.js', import.meta.url);

export interface AsyncCheckpointerEvents {
  /** `notes`: what a person should know of other checkpoints. */
  readonly onSaved: (saved: { readonly step: number; readonly path: string }, notes: readonly string[]) => void;
  /** A save that failed; the ones before it are as they were. */
  readonly onFailed: (error: Error, step: number) => void;
  /** A checkpoint was saved, but the log that belongs to it may not be on the disk. */
  readonly onLogFailed?: (error: Error) => void;
}

export interface AsyncCheckpointer {
  /** Begins a save, once the one before is done. The arrays of the job belong to the saver from then on. */
  save(job: CheckpointJob): Promise<void>;
  /** The arrays of the last save that is done, to copy the next state into; none before that. */
  acquireBuffer(): Arrays | undefined;
  /** Waits for the save in flight, whatever comes of it. */
  drain(): Promise<void>;
  /** Waits for the save in flight. Throws where the last one failed. */
  finish(): Promise<void>;
  /** Waits for the save in flight and ends the thread. */
  dispose(): Promise<void>;
}

export function createAsyncCheckpointer({
  onSaved,
  onFailed,
  onLogFailed,
}: AsyncCheckpointerEvents): AsyncCheckpointer {
  const thread = existsSync(workerFile) ? createThread() : undefined;
  let flight: Promise<void> = Promise.resolve();
  /** The first and the last of the saves that failed since one went well. */
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
      throw new UserError(`${last.message} The first save that failed: ${first.message}`, {
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
  /** Does a job, gives its outcome and the memory back. Rejects where the thread dies over it, such as for want of memory. */
  perform(job: CheckpointJob): Promise<CheckpointJobResult>;
  dispose(): Promise<void>;
}

/** A thread that is there before the first job, and again after one has died, and keeps no process alive while it is idle. */
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
        let error: unknown = new Error('The thread that writes checkpoints ended before its work was done.');
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
