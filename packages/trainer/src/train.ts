/**
 * Training: the whole of it in one loop, `trainingSteps`.
 *
 *   import { train } from '@dm/trainer';
 *   const run = await train({ preset: 'mnist', out: 'runs/digits' });
 *   console.log(run.report);
 *
 * Everything random is a function of (seed, stream, step, index), and everything else that a step depends on is in the
 * checkpoint: a resumed run is the unbroken run, bit for bit.
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
  /** Go on with the run in `out`, from its newest valid checkpoint. */
  readonly resume?: boolean;
  /** Remove the run in `out` first. */
  readonly overwrite?: boolean;
  /** Begin a training that is larger than this machine's memory, too. */
  readonly skipMemoryCheck?: boolean;
  /** Aborting it saves a checkpoint after the step that is going on and ends the run. */
  readonly signal?: AbortSignal;
  readonly hooks?: TrainHooks;
}

/** How a session ended: all steps are done, it was asked to stop, or what it may use is used up. */
export type TrainStatus = 'finished' | 'stopped' | 'timeBudget' | 'stepBudget' | 'imageBudget';

export interface TrainResult {
  readonly status: TrainStatus;
  /** Optimizer steps done, of `totalSteps`. */
  readonly step: number;
  readonly totalSteps: number;
  /** Seconds of this session, set-up included. */
  readonly seconds: number;
  /** Largest resident size of the process, in MiB. */
  readonly peakMb: number;
  readonly out: string;
  readonly checkpoint: string;
  /** Path of report.html; absent if the disk refused it. */
  readonly report?: string;
  /** What the disk refused, one text for each kind of file; absent if everything was written. */
  readonly unwritten?: readonly string[];
  /** The best checkpoint by the first of `evaluation.metrics`, where the run evaluates. */
  readonly best?: Best;
  /** If the loss ended far above its minimum: by how much, and the checkpoint with the lowest loss. */
  readonly diverged?: { readonly lossOverMinimum: number; readonly lowestLossCheckpoint: string };
  /** The newest sample grid; absent where the run stopped before one was made. */
  readonly samples?: string;
}

/**
 * Trains as configured; what is left out comes from the preset.
 * @throws {UserError} on anything a user can put right
 */
export async function train(config: PartialConfig = {}, options: TrainOptions = {}): Promise<TrainResult> {
  return trainLayers([{ source: 'the configuration given', value: config }], options);
}

/** `train` with a configuration in layers, whose sources errors name: what the command uses. */
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
    (error) => onNote?.(`after the error that ended the training: ${messageOf(error)}`),
  );
}

/** A lock that cannot be removed does no harm: its process will be gone. */
function release(lock: Lock, onNote: TrainHooks['onNote']): void {
  try {
    lock.release();
  } catch (error) {
    onNote?.(`the lock of the run stays, the next training on this machine takes it over: ${messageOf(error)}`);
  }
}

function chooseFolder(layers: readonly Layer[], { resume = false, overwrite = false }: TrainOptions): RunFolder {
  const { out } = resolveConfig(layers);
  if (!overwrite && layers.every((l) => l.value.out === undefined)) return defaultRunFolder(out, resume);
  const run = runFolder(out);
  if (resume && !hasRun(run)) throw noRunToResumeError(out);
  if (!resume && !overwrite && hasRun(run)) {
    throw new UserError(
      `${out} holds a run already. Go on with it (--resume), remove it (--overwrite) or choose another folder (--out).`,
      { code: 'RUN_EXISTS' },
    );
  }
  return run;
}

/** The loop, and the last whole step saved if it fails. `began`: when the session did, by `performance.now()`. */
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

    // Maintenance: evaluate, log, probe, sample, save, each if it is due.
    await session.betweenSteps();

    // Stop before the end where asked to. An engine may answer without ever waiting, so let signals and timers in.
    await eventLoopTurn();
    const reason = reasonToStop(session, secondsSince(began), signal);
    if (reason !== undefined) {
      await session.save();
      return reason;
    }
  }
  return 'finished';
}

/** Why a session ends before the run does, if it is to. */
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
