/** One session of a run: from where it begins, and the work between its steps. */
import { removeTree } from '@dm/files';
import type { ScheduleState } from '@dm/curriculum';
import type { Engine } from '@dm/ops';
import { checkDiskSpace } from '../checkpoint/disk-space.js';
import { checkpointPolicy } from '../checkpoint/policy.js';
import { findCheckpoint } from '../checkpoint/resume.js';
import { initialState, unpackState } from '../checkpoint/state.js';
import { messageOf } from '../errors.js';
import { formerTrainingHash, saveConfig } from '../config/saved-config.js';
import { removeEventFiles } from '../logs/event-file.js';
import { createRunFolder, hasRun, type RunFolder } from '../run/run-folder.js';
import { record, type OpenedTrainingSetup } from '../setup/open-training-setup.js';
import { compileStep, type CompiledStep } from '../step/compiled-step.js';
import type { Divergence } from '../step/loss-trend.js';
import { NonFiniteGuard } from '../step/non-finite-guard.js';
import type { StepOutcome, TrainingStepsOptions } from '../step/training-loop.js';
import { Checkpointer, type RunSnapshot } from './checkpointer.js';
import type { TrainHooks } from './hooks.js';
import { openReporter, type Reporter } from './reporter.js';

export interface SessionOptions {
  /** Continue from the newest valid checkpoint. */
  readonly resume?: boolean;
  readonly hooks?: TrainHooks;
}

/** Begins a run in its folder or, to `resume`, takes its newest valid checkpoint; compiles what the run needs. */
export async function openTrainingSession(
  run: RunFolder,
  setup: OpenedTrainingSetup,
  engine: Engine,
  { resume = false, hooks = {} }: SessionOptions,
): Promise<TrainingSession> {
  const dataSha256 = await setup.dataset.hash();
  const resumedFrom = resume ? findCheckpoint(run, setup, engine, dataSha256, hooks.onNote) : undefined;
  const formerSha256 = resume ? formerTrainingHash(run) : undefined;
  if (!resume && hasRun(run)) removeRun(run);
  const firstStep = resumedFrom?.manifest.step ?? 0;
  const policy = checkpointPolicy(setup.config);
  const warning = checkDiskSpace(run, setup, policy, firstStep);
  if (warning !== undefined) hooks.onNote?.(warning);
  saveConfig(run, record(setup, engine, dataSha256, formerSha256));

  const restored = resumedFrom && unpackState(setup, resumedFrom);
  const curriculumState = restored?.curriculumState ?? setup.curriculum.initialState?.();
  const compiledStep = await compileStep(setup, engine, restored?.arrays ?? initialState(setup, hooks.onNote));
  const { state } = compiledStep;
  const log = resumedFrom?.manifest.log;
  const guard = new NonFiniteGuard(setup.config.maxSkippedSteps, log?.['skipped']);
  const reporter = await openReporter({ run, setup, engine, state, firstStep, windowState: log, hooks });
  const checkpointer = new Checkpointer({
    run,
    setup,
    engine,
    policy,
    dataSha256,
    resumedFrom: resumedFrom && { path: resumedFrom.path, step: firstStep, isGood: !guard.isSkipping },
    logFiles: reporter.files,
    onLogFailed: (error) => reporter.warnOfLog(error),
    hooks,
  });
  reporter.announce();
  return new TrainingSession({
    run,
    setup,
    firstStep,
    curriculumState,
    compiledStep,
    guard,
    reporter,
    checkpointer,
    hooks,
  });
}

interface SessionParts {
  readonly run: RunFolder;
  readonly setup: OpenedTrainingSetup;
  readonly firstStep: number;
  /** Of a curriculum that learns. */
  readonly curriculumState: ScheduleState | undefined;
  readonly compiledStep: CompiledStep;
  readonly guard: NonFiniteGuard;
  readonly reporter: Reporter;
  readonly checkpointer: Checkpointer;
  readonly hooks: TrainHooks;
}

/** What the steps of a session and the work between them share. */
export class TrainingSession {
  readonly run: RunFolder;
  readonly setup: OpenedTrainingSetup;
  readonly compiledStep: CompiledStep;
  /** Steps that were done when the session began. */
  readonly firstStep: number;
  /** Optimizer steps done; the random numbers of the next one are keyed by it. */
  step: number;
  private curriculumState: ScheduleState | undefined;
  /** Steps that the engine's state has; undefined while one is computed. */
  private stepOfState: number | undefined;

  constructor(private readonly parts: SessionParts) {
    this.run = parts.run;
    this.setup = parts.setup;
    this.compiledStep = this.observed(parts.compiledStep);
    this.stepOfState = parts.firstStep;
    this.firstStep = parts.firstStep;
    this.step = parts.firstStep;
    this.curriculumState = parts.curriculumState;
  }

  /** From where `trainingSteps` goes on. */
  continuation(): TrainingStepsOptions {
    const { step, curriculumState } = this;
    const { guard, checkpointer } = this.parts;
    return { firstStep: step, curriculumState, guard, lastGoodCheckpoint: () => checkpointer.lastGoodCheckpoint() };
  }

  /** Takes in a step that was done, once it may count beside the save in flight. */
  async recordStep(outcome: StepOutcome): Promise<void> {
    const { step, curriculumState } = outcome;
    const { checkpointer, reporter } = this.parts;
    await checkpointer.beforeStep(step);
    this.step = step;
    this.curriculumState = curriculumState;
    reporter.addStep(outcome);
  }

  /** The work between two steps, each part if it is due. The results of an evaluation are in the log line of its step. */
  async betweenSteps(): Promise<void> {
    const { step } = this;
    const { checkpointer, reporter, guard } = this.parts;
    reporter.log(step, await reporter.evaluate(step), guard.total);
    await reporter.probe(step);
    await reporter.sample(step);
    await checkpointer.saveIfDue(this.snapshot());
  }

  /** Paths of the newest checkpoint and sample grid. */
  get newest(): { readonly checkpoint: string | undefined; readonly samples: string | undefined } {
    return { checkpoint: this.parts.checkpointer.newest, samples: this.parts.reporter.samples };
  }

  /** How far the loss is above its minimum, if the training has diverged. */
  get divergence(): Divergence | undefined {
    return this.parts.reporter.divergence;
  }

  /** Makes a checkpoint of this step, unless there is one. */
  async save(): Promise<void> {
    await this.parts.checkpointer.save(this.snapshot());
  }

  /**
   * After an error: saves the last step that was done, if the engine's state is that of this step, so that a resumed run
   * goes on from there. Does not throw; the error that led here is what counts.
   */
  async rescue(): Promise<void> {
    const { step, firstStep, stepOfState } = this;
    const { onNote } = this.parts.hooks;
    if (step === firstStep || stepOfState !== step) return;
    try {
      // What the step would have logged, if the error came before: a resumed run does not do it again.
      this.parts.reporter.log(step, undefined, this.parts.guard.total);
      await this.save();
      await this.finish();
      onNote?.(`an error ends the training; step ${step} is saved, --resume goes on from there`);
    } catch (error) {
      onNote?.(`an error ends the training, and step ${step} could not be saved: ${messageOf(error)}`);
    }
  }

  /** Waits for the last save and reads it back, see `Checkpointer.finish`. Throws its error if it failed. */
  finish(): Promise<void> {
    return this.parts.checkpointer.finish(this.snapshot());
  }

  /** Writes report.html and returns its path; undefined if the disk refuses. */
  report(): string | undefined {
    return this.parts.reporter.writeReport();
  }

  /** Tries once more what the disk has refused, and returns what is missing for good. */
  finishFiles(): string[] {
    return this.parts.reporter.finishFiles();
  }

  async dispose(): Promise<void> {
    const { checkpointer, reporter, compiledStep } = this.parts;
    await checkpointer.dispose();
    await reporter.dispose();
    await compiledStep.dispose();
  }

  /** `step`, watched: an error may leave the engine's state between two steps. */
  private observed(step: CompiledStep): CompiledStep {
    return {
      ...step,
      run: async (index, batch, sample) => {
        this.stepOfState = undefined;
        const result = await step.run(index, batch, sample);
        this.stepOfState = index + 1;
        return result;
      },
    };
  }

  private snapshot(): RunSnapshot {
    const { step, curriculumState } = this;
    const { compiledStep, reporter, guard } = this.parts;
    return {
      step,
      state: compiledStep.state,
      curriculumState,
      log: { ...reporter.windowState(), skipped: guard.state() },
      best: reporter.best,
      isSkipping: guard.isSkipping,
    };
  }
}

/** Everything that a former run left in the folder; the lock and what others put there stay. */
function removeRun(run: RunFolder): void {
  for (const path of [run.config, run.metrics, run.difficulty, run.report, run.samples, run.checkpoints]) {
    removeTree(path);
  }
  removeEventFiles(run.path);
  createRunFolder(run);
}
