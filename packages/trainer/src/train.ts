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
import { dirname, join } from 'node:path';
import type { World } from '@dm/mpi';
import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import { chooseRun } from './checkpoint/choose-run.js';
import { secondsSince, trainingSteps } from './step/training-loop.js';
import { readBest, type Best } from './checkpoint/best.js';
import { lowestLossCheckpoint } from './checkpoint/checkpoint-folder.js';
import { checkUnchanged } from './checkpoint/resume.js';
import { guidanceNote } from './sampling/guidance-note.js';
import { noteOfHours } from './config/preset-hours.js';
import type { Config, PartialConfig } from './config/schema.js';
import { decayNote, sigmaDataNote } from './setup/option-notes.js';
import { openEngine } from './setup/engine.js';
import { alone, fromRankZero, onEveryRank } from './setup/group.js';
import { messageOf, UserError } from './errors.js';
import type { TrainHooks } from './session/hooks.js';
import { runNameOf, unpackRun } from './interchange/unpack-run.js';
import { acquireLock, type Lock } from './run/lock.js';
import { withCleanup } from './run/with-cleanup.js';
import { peakMemoryMb } from './machine/peak-memory.js';
import { clippingNote } from './setup/latents.js';
import { checkConversion } from './setup/check-conversion.js';
import { openTrainingSetup } from './setup/open-training-setup.js';
import { resolveConfig, type Layer } from './config/resolve.js';
import { savedConfig } from './config/saved-config.js';
import { recoverOverwritten, type NewRun } from './run/new-run.js';
import { defaultRunFolder, hasRun, noRunError, reserveRunFolder, runFolder, type RunFolder } from './run/run-folder.js';
import { reachedBudget } from './session/budgets.js';
import { rankEngineOptions } from './session/rank-engine.js';
import { groupOf } from './session/world-group.js';
import { checkOwnFolder } from './session/own-folder.js';
import { openTrainingSession, type TrainingSession } from './session/session.js';
import { roundToFourDigits } from './session/throughput.js';

export interface TrainOptions {
  /**
   * Resume the run in `out`, or else the newest unfinished one, from its newest valid checkpoint. The path of a run's zip,
   * as a browser exports it, is unpacked into `out` first, which must not exist; default: `runs/<name of the zip>`.
   */
  readonly resume?: boolean | string;
  /**
   * Train the finished run in `out`, or else the newest finished one, for this many more steps, with its moments and
   * averages. Schedules that are scaled to `totalSteps` are laid out again over the new total.
   */
  readonly extend?: number;
  /** Replace the run in `out`, which is deleted once the first step of the new one is done. */
  readonly overwrite?: boolean;
  /** Train even if the estimated memory exceeds this machine's. */
  readonly skipMemoryCheck?: boolean;
  /** When aborted, training saves a checkpoint after the current step and returns. */
  readonly signal?: AbortSignal;
  readonly hooks?: TrainHooks;
  /**
   * The processes that train together (`openWorld` of @dm/mpi), each on its part of every batch; all must call this with the
   * same configuration. Rank 0 owns the run folder and calls the hooks. All ranks return the result of rank 0. Default: this
   * process alone.
   */
  readonly world?: World;
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
  /** Set if the samples are latents, which only .npz and .npy hold. */
  readonly isOfLatents?: true;
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
  const { skipMemoryCheck, signal, world } = options;
  const group = world === undefined ? alone : groupOf(world);
  await onEveryRank(group, () => checkOptions(options));
  // Rank 0 speaks for all.
  const hooks = group.rank === 0 ? (options.hooks ?? {}) : silentHooks(options.hooks);
  const { onNote, onPhase } = hooks;
  const resume = isContinued(options);
  return withCleanup(
    async (defer) => {
      const began = performance.now();
      let newRun: NewRun | undefined;
      let stepsDone = () => 0;
      const opened = await fromRankZero(group, async (): Promise<Opened> => {
        const run = await openRunFolder(layers, options);
        const removeIfEmpty = reserveRunFolder(run);
        defer(removeIfEmpty);
        const lock = acquireLock(run.path);
        defer(() => release(lock, onNote));
        // The run is not worth keeping if its first step failed.
        const undo = () => {
          if (stepsDone() === 0) newRun?.undo();
        };
        // A signal ends the process at once until the first step: the files come before the lock, the folder after it.
        process.prependOnceListener('exit', undo);
        process.once('exit', removeIfEmpty);
        defer(() => void process.off('exit', undo).off('exit', removeIfEmpty));
        defer(undo);
        recoverOverwritten(run);
        const saved = resume ? [savedConfig(run)] : [];
        return { run, ...resolveChosen(run, saved, layers, options) };
      });
      const { run, extendedFrom } = opened;
      const config = group.size === 1 ? opened.config : withOwnEngine(opened.config, layers);
      const notes = (...texts: readonly (string | undefined)[]) => {
        for (const text of texts) if (text !== undefined) onNote?.(text);
      };
      notes(noteOfHours(config));
      const setup = await onEveryRank(group, async () => {
        const made = await openTrainingSetup(config, { skipMemoryCheck, isResumed: resume, group, onPhase });
        if (!resume) checkConversion(config, made.dataset);
        return made;
      });
      notes(guidanceNote(setup.config.sampler), clippingNote(config, setup.config));
      if (!resume) notes(decayNote(config.optimizer), sigmaDataNote(config));
      const engine = await onEveryRank(group, async () => {
        const made = await openEngine(config.engine, { ...(await rankEngineOptions(group, config)), onPhase });
        defer(() => made.dispose());
        return made;
      });
      const session = await openTrainingSession(run, setup, engine, {
        resume,
        ...(extendedFrom !== undefined && { extendedFrom }),
        onBegin: (begun) => (newRun = begun),
        hooks,
      });
      stepsDone = () => session.step;
      defer(() => session.dispose());
      const status = await trainSession(session, began, signal);
      return fromRankZero(group, async () => {
        await session.finish();
        return resultOf(session, status, secondsSince(began));
      });
    },
    (error) => onNote?.(`cleanup after the error that ended training failed: ${messageOf(error)}`),
  );
}

/** What rank 0 chose for all. */
interface Opened extends Chosen {
  readonly run: RunFolder;
}

/** Ranks other than 0 only report that training has started. */
function silentHooks({ onStart }: TrainHooks = {}): TrainHooks {
  return onStart === undefined ? {} : { onStart };
}

/**
 * The configuration of rank 0, with the threads, the device, and its options that the layers of this rank set. The options
 * of rank 0's device are not taken over by another device.
 */
function withOwnEngine(config: Config, layers: readonly Layer[]): Config {
  const own = Object.assign({}, ...layers.map(({ value }) => value)) as PartialConfig;
  const { threads = config.threads, device = config.device } = own;
  const isOther = device !== config.device;
  const { graphCapture = !isOther && config.graphCapture, tf32 = !isOther && config.tf32 } = own;
  return { ...config, threads, device, graphCapture, tf32 };
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

function isContinued({ resume = false, extend }: TrainOptions): boolean {
  return resume !== false || extend !== undefined;
}

/** The folder of the run; with a zip, after unpacking it. */
async function openRunFolder(layers: readonly Layer[], options: TrainOptions): Promise<RunFolder> {
  const { resume, hooks } = options;
  if (typeof resume !== 'string') return chooseFolder(layers, options);
  const { out } = resolveConfig(layers);
  const isNamed = layers.some(({ value }) => value.out !== undefined);
  const { path } = isNamed ? runFolder(out) : defaultRunFolder(join(dirname(out), runNameOf(resume)));
  const run = await unpackRun(resume, path);
  hooks?.onNote?.(`unpacked ${resume} into ${run.path}`);
  return run;
}

/** @throws {UserError} if options contradict each other */
function checkOptions(options: TrainOptions): void {
  const { resume = false, overwrite = false, extend } = options;
  if (extend !== undefined && !(Number.isSafeInteger(extend) && extend >= 1)) {
    throw new UserError(
      `extend (--extend) must be the number of steps to add, an integer of at least 1, got ${extend}.`,
    );
  }
  if (resume !== false && extend !== undefined) {
    throw new UserError('resume and extend contradict each other: resume an unfinished run, extend a finished one.');
  }
  if (overwrite && isContinued(options)) {
    throw new UserError(
      `overwrite deletes the run that ${extend === undefined ? 'resume' : 'extend'} would continue: omit one of them.`,
    );
  }
}

function chooseFolder(layers: readonly Layer[], options: TrainOptions): RunFolder {
  const { extend, overwrite = false, hooks } = options;
  const { out } = resolveConfig(layers);
  const isNamed = layers.some(({ value }) => value.out !== undefined);
  if (isContinued(options)) {
    if (!isNamed) {
      const purpose = extend === undefined ? 'resume' : 'extend';
      return chooseRun(dirname(out), purpose, (text) => hooks?.onNote?.(text));
    }
    const run = runFolder(out);
    if (!hasRun(run)) throw noRunError(out);
    return run;
  }
  if (!overwrite && !isNamed) return defaultRunFolder(out);
  const run = runFolder(out);
  checkOwnFolder(run);
  if (!overwrite && hasRun(run)) {
    throw new UserError(
      `${out} already contains a run. Resume it (--resume), extend it if it is finished (--extend <steps>), delete it ` +
        '(--overwrite) or choose another folder (--out). The options of train() have the same names.',
      { code: 'RUN_EXISTS' },
    );
  }
  return run;
}

interface Chosen {
  readonly config: Config;
  /** `totalSteps` before the run is extended; undefined if it is not. */
  readonly extendedFrom: number | undefined;
}

/**
 * The configuration of a new run, or of the one with the configuration `saved`, changed by the layers.
 *
 * @throws {UserError} `RESUME_MISMATCH` if a layer would change the training of the run
 */
function resolveChosen(
  run: RunFolder,
  saved: readonly Layer[],
  layers: readonly Layer[],
  { extend }: TrainOptions,
): Chosen {
  const resolved = resolveConfig([...saved, ...layers]);
  const config = { ...resolved, out: run.path };
  if (saved.length === 0) return { config, extendedFrom: undefined };
  const before = resolveConfig(saved);
  checkUnchanged(run, before, resolved);
  if (extend === undefined) return { config, extendedFrom: undefined };
  return { config: { ...config, totalSteps: before.totalSteps + extend }, extendedFrom: before.totalSteps };
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
  const { group } = session.setup;
  for await (const outcome of trainingSteps(session.setup, session.compiledStep, session.continuation())) {
    await session.recordStep(outcome);

    // Maintenance: evaluate, log, probe, sample and save, whatever is due.
    await session.betweenSteps();

    // Yield to signals and timers: an engine may run steps without ever returning to the event loop.
    await eventLoopTurn();
    const reasons = await group.exchange(() => reasonToStop(session, secondsSince(began), signal));
    // A signal may reach any rank; the budgets are measured by rank 0.
    const reason = reasons.find((each) => each === 'stopped') ?? reasons[0];
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
  if (step === setup.config.totalSteps) return undefined;
  if (signal?.aborted === true) return 'stopped';
  return reachedBudget(setup.config, step - firstStep, seconds);
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
    ...(setup.config.latents !== null && { isOfLatents: true as const }),
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
