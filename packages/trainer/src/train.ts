/**
 * Training from the configuration to the report. The loop itself is `trainingSteps`.
 *
 *   import { train } from '@dm/trainer';
 *   const run = await train({ preset: 'mnist', out: 'runs/digits' });
 *   console.log(run.report);
 *
 * Randomness is a function of (seed, stream, step, index), and all other state that a step depends on is in the
 * checkpoint, so a resumed run is bit-identical to an uninterrupted one.
 */
import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import { secondsSince, trainingSteps } from './step/training-loop.js';
import { readBest, type Best } from './checkpoint/best.js';
import { lowestLossCheckpoint } from './checkpoint/checkpoint-folder.js';
import type { PartialConfig } from './config/schema.js';
import { engineOptions, openEngine } from './setup/engine.js';
import { messageOf, UserError } from './errors.js';
import type { TrainHooks } from './session/hooks.js';
import { acquireLock, type Lock } from './run/lock.js';
import { withCleanup } from './run/with-cleanup.js';
import { peakMemoryMb } from './machine/peak-memory.js';
import { openTrainingSetup } from './setup/open-training-setup.js';
import { resolveConfig, type Layer } from './config/resolve.js';
import { savedConfig } from './config/saved-config.js';
import {
  createRunFolder,
  defaultRunFolder,
  hasRun,
  noRunToResumeError,
  runFolder,
  type RunFolder,
} from './run/run-folder.js';
import { openTrainingSession, type TrainingSession } from './session/session.js';
import { roundToFourDigits } from './session/throughput.js';

export interface TrainOptions {
  /** Resume the run in `out` from its newest valid checkpoint. */
  readonly resume?: boolean;
  /** Delete the run in `out` first. */
  readonly overwrite?: boolean;
  /** Train even if the estimated memory exceeds this machine's. */
  readonly skipMemoryCheck?: boolean;
  /** When aborted, training saves a checkpoint after the current step and returns. */
  readonly signal?: AbortSignal;
  readonly hooks?: TrainHooks;
}

/** How a session ended: all steps are done, it was stopped by `signal`, or it reached a budget. */
export type TrainStatus = 'finished' | 'stopped' | 'timeBudget' | 'stepBudget' | 'imageBudget';

export interface TrainResult {
  readonly status: TrainStatus;
  /** Optimizer steps done, of `totalSteps`. */
  readonly step: number;
  readonly totalSteps: number;
  /** Duration of this session in seconds, including setup. */
  readonly seconds: number;
  /** Peak resident set size of the process, in MiB. */
  readonly peakMb: number;
  readonly out: string;
  readonly checkpoint: string;
  /** Path of report.html; absent if it could not be written. */
  readonly report?: string;
  /** Failed writes, one message per kind of file; absent if everything was written. */
  readonly unwritten?: readonly string[];
  /** The best checkpoint by the first of `evaluation.metrics`, if the run evaluates. */
  readonly best?: Best;
  /** Present if the final loss is far above its minimum: their ratio, and the checkpoint with the lowest loss. */
  readonly diverged?: { readonly lossOverMinimum: number; readonly lowestLossCheckpoint: string };
  /** The newest sample grid; absent if the run stopped before the first one. */
  readonly samples?: string;
}

/**
 * Trains a model. Fields missing from `config` come from the preset.
 *
 * @throws {UserError} if something fails that the user can fix, such as an invalid configuration; `code` says what
 */
export async function train(config: PartialConfig = {}, options: TrainOptions = {}): Promise<TrainResult> {
  return trainLayers([{ source: 'the configuration given', value: config }], options);
}

/** `train` with a configuration in layers, whose sources appear in error messages. Used by the command. */
export async function trainLayers(layers: readonly Layer[], options: TrainOptions = {}): Promise<TrainResult> {
  const onNote = options.hooks?.onNote;
  return withCleanup(
    async (defer) => {
      const run = chooseFolder(layers, options);
      createRunFolder(run);
      const lock = acquireLock(run.path);
      defer(() => release(lock, onNote));
      const began = performance.now();
      const before = options.resume === true ? [savedConfig(run)] : [];
      const chosen = { ...resolveConfig([...before, ...layers]), out: run.path };
      const { skipMemoryCheck } = options;
      const setup = await openTrainingSetup(chosen, { skipMemoryCheck, isResumed: before.length > 0 });
      const engine = await openEngine(chosen.engine, engineOptions(chosen));
      defer(() => engine.dispose());
      const session = await openTrainingSession(run, setup, engine, options);
      defer(() => session.dispose());
      const status = await trainSession(session, began, options.signal);
      await session.finish();
      return resultOf(session, status, secondsSince(began));
    },
    (error) => onNote?.(`cleanup after the error that ended training failed: ${messageOf(error)}`),
  );
}

/** A lock that cannot be removed is harmless: once its process has ended, the next training takes it over. */
function release(lock: Lock, onNote: TrainHooks['onNote']): void {
  try {
    lock.release();
  } catch (error) {
    onNote?.(
      `the lock of the run could not be removed; the next training on this machine will take it over: ${messageOf(error)}`,
    );
  }
}

function chooseFolder(layers: readonly Layer[], { resume = false, overwrite = false }: TrainOptions): RunFolder {
  const { out } = resolveConfig(layers);
  if (!overwrite && layers.every((l) => l.value.out === undefined)) return defaultRunFolder(out, resume);
  const run = runFolder(out);
  if (resume && !hasRun(run)) throw noRunToResumeError(out);
  if (!resume && !overwrite && hasRun(run)) {
    throw new UserError(
      `${out} already contains a run. Resume it (--resume), delete it (--overwrite) or choose another folder (--out).`,
      { code: 'RUN_EXISTS' },
    );
  }
  return run;
}

/** Runs the loop; if it fails, saves the last complete step. `began` is the session's start by `performance.now()`. */
async function trainSession(
  session: TrainingSession,
  began: number,
  signal: AbortSignal | undefined,
): Promise<TrainStatus> {
  try {
    return await trainUntilStopped(session, began, signal);
  } catch (error) {
    await session.rescue();
    throw error;
  }
}

async function trainUntilStopped(
  session: TrainingSession,
  began: number,
  signal: AbortSignal | undefined,
): Promise<TrainStatus> {
  for await (const outcome of trainingSteps(session.setup, session.compiledStep, session.continuation())) {
    await session.recordStep(outcome);

    // Maintenance: evaluate, log, probe, sample and save, whatever is due.
    await session.betweenSteps();

    // Yield to signals and timers: an engine may run steps without ever returning to the event loop.
    await eventLoopTurn();
    const reason = reasonToStop(session, secondsSince(began), signal);
    if (reason !== undefined) {
      await session.save();
      return reason;
    }
  }
  return 'finished';
}

/** Why the session must end before all steps are done; undefined if it continues. */
function reasonToStop(
  session: TrainingSession,
  seconds: number,
  signal: AbortSignal | undefined,
): TrainStatus | undefined {
  const { step, firstStep, setup } = session;
  const { budgets, batchSize, totalSteps } = setup.config;
  if (step === totalSteps) return undefined;
  if (signal?.aborted === true) return 'stopped';
  if (budgets.seconds !== null && seconds >= budgets.seconds) return 'timeBudget';
  if (budgets.steps !== null && step - firstStep >= budgets.steps) return 'stepBudget';
  if (budgets.images !== null && (step - firstStep) * batchSize >= budgets.images) return 'imageBudget';
  return undefined;
}

function resultOf(session: TrainingSession, status: TrainStatus, seconds: number): TrainResult {
  const { run, step, setup, newest } = session;
  const { checkpoint, samples } = newest;
  const report = session.report();
  const unwritten = session.finishFiles();
  const best = readBest(run.checkpoints);
  const { divergence } = session;
  const lowest = divergence && lowestLossCheckpoint(run.checkpoints);
  return {
    status,
    step,
    totalSteps: setup.config.totalSteps,
    seconds: roundToFourDigits(seconds),
    peakMb: Math.round(peakMemoryMb()),
    out: run.path,
    checkpoint: checkpoint!,
    ...(report !== undefined && { report }),
    ...(unwritten.length > 0 && { unwritten }),
    ...(samples !== undefined && { samples }),
    ...(best !== undefined && { best }),
    ...(divergence !== undefined &&
      lowest !== undefined && {
        diverged: {
          lossOverMinimum: roundToFourDigits(divergence.smoothed / divergence.minimum),
          lowestLossCheckpoint: lowest,
        },
      }),
  };
}
