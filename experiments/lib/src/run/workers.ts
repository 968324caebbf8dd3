/** Runs trials in worker processes. For small models, two processes with one thread are faster than one with two. */
import { fork, type ChildProcess } from 'node:child_process';
import { openEngine } from '@dm/trainer';
import type { AnyResult, AnyTrial } from '../recipe/trial.js';
import { openData } from '../trial/data.js';
import type { TrialContext } from '../trial/run-trial.js';
import { openSampleMetric } from '../trial/sample-quality.js';

/** Environment variable of worker processes: their engine, as JSON. */
const WORKER_ENV = 'DM_EXPERIMENT_WORKER';

type WorkerReply<R> = { readonly result: R } | { readonly error: string };

/** Trains and measures one trial. */
export type RunTrial<T extends AnyTrial, R extends AnyResult> = (trial: T, context: TrialContext) => Promise<R>;

export const isWorker = (): boolean => process.env[WORKER_ENV] !== undefined;

/** Runs the trials that the parent process sends, one at a time, until it disconnects. */
export function runWorker<T extends AnyTrial, R extends AnyResult>(run: RunTrial<T, R>): void {
  let context: Promise<TrialContext> | undefined;
  process.on('message', (trial: T) => {
    context ??= openTrialContext(trial.size);
    context
      .then((open) => run(trial, open))
      .then((result): WorkerReply<R> => ({ result }))
      .catch((error: unknown): WorkerReply<R> => ({
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      }))
      .then((answer) => process.send!(answer))
      .catch((error: unknown) => {
        console.error(error);
        process.exit(1);
      });
  });
  process.on('disconnect', () => process.exit(0));
}

async function openTrialContext({ data, trainImages }: AnyTrial['size']): Promise<TrialContext> {
  const { name, threads } = JSON.parse(process.env[WORKER_ENV]!) as EngineChoice;
  const engine = await openEngine(name, name === 'onnx' ? { threads } : {});
  const heldOut = await openData(data, 'test');
  return {
    engine,
    train: await openData(data, 'train', trainImages),
    heldOut,
    sampleMetric: await openSampleMetric(engine, data, heldOut),
  };
}

/** The engine of each worker. */
export interface EngineChoice {
  readonly name: string;
  /** Threads of the engine `onnx`. */
  readonly threads: number;
}

export interface WorkerOptions<T extends AnyTrial, R extends AnyResult> {
  readonly workers: number;
  readonly engine: EngineChoice;
  /** Trials are not started after this time, in milliseconds of `performance.now()`. */
  readonly until: number;
  readonly onDone: (trial: T, result: R) => void;
}

/**
 * Runs the trials and returns how many were not started because of the time limit. If a trial fails, no others are
 * started, and those in progress finish.
 *
 * @throws {Error} afterwards, if a trial or its `onDone` failed: the first error
 */
export async function runTrials<T extends AnyTrial, R extends AnyResult>(
  trials: readonly T[],
  { workers, engine, until, onDone }: WorkerOptions<T, R>,
): Promise<number> {
  const waiting = [...trials];
  const children: ChildProcess[] = [];
  const errors: unknown[] = [];
  const life = async (): Promise<void> => {
    if (waiting.length === 0) return;
    const child = fork(process.argv[1]!, { env: { ...process.env, [WORKER_ENV]: JSON.stringify(engine) } });
    children.push(child);
    while (errors.length === 0 && waiting.length > 0 && performance.now() < until) {
      const trial = waiting.shift()!;
      try {
        onDone(trial, await request<R>(child, trial));
      } catch (error) {
        errors.push(error);
      }
    }
    if (child.connected) child.disconnect();
  };
  try {
    await Promise.all(Array.from({ length: workers }, life));
  } finally {
    for (const child of children) if (child.connected) child.kill();
  }
  if (errors.length > 0) throw errors[0];
  return waiting.length;
}

function request<R extends AnyResult>(child: ChildProcess, trial: AnyTrial): Promise<R> {
  const what = `${trial.stage}/${trial.arm.name}, seed ${trial.seed}`;
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null) => reject(new Error(`${what}: the worker process exited with code ${code}.`));
    child.once('exit', onExit);
    child.once('message', (answer: WorkerReply<R>) => {
      child.off('exit', onExit);
      if ('result' in answer) resolve(answer.result);
      else reject(new Error(`${what}: ${answer.error}`));
    });
    child.send(trial);
  });
}
