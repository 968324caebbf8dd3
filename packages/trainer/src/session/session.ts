/** One session of a run: its starting point, and the work between its steps. */
import type { ScheduleState } from '@dm/curriculum';
import type { Arrays, Engine } from '@dm/ops';
import { checkDiskSpace, spaceOfReplaced } from '../checkpoint/disk-space.js';
import { describeExtension, extensionOf, noteOfEarlierSteps } from '../checkpoint/extension.js';
import type { Checkpoint } from '../checkpoint/content.js';
import type { ManifestFields } from '../checkpoint/manifest-format.js';
import { checkpointPolicy, shouldSave } from '../checkpoint/policy.js';
import { findCheckpoint } from '../checkpoint/resume.js';
import { initialState } from '../checkpoint/state.js';
import { unpackState } from '../checkpoint/pack-state.js';
import { messageOf } from '../errors.js';
import { readHistory, saveConfig, withEvaluations, withExtension } from '../config/saved-config.js';
import { environment } from '../machine/environment.js';
import { beginNewRun, continuedRun, type NewRun } from '../run/new-run.js';
import { createRunFolder, hasRun, type RunFolder } from '../run/run-folder.js';
import type { OpenedTrainingSetup } from '../setup/open-training-setup.js';
import { record } from '../setup/record.js';
import { fromRankZero, onEveryRank } from '../setup/group.js';
import { isSharedError } from './world-group.js';
import { inPhase } from '../setup/phases.js';
import { emptyState } from '../setup/state-table.js';
import { compileStep, type CompiledStep } from '../step/compiled-step.js';
import type { Divergence } from '../step/loss-trend.js';
import { NonFiniteGuard } from '../step/non-finite-guard.js';
import type { StepOutcome, TrainingStepsOptions } from '../step/training-loop.js';
import { checkSameInputs, checkSameState } from './agreement.js';
import { Checkpointer, type RunSnapshot } from './checkpointer.js';
import type { TrainHooks } from './hooks.js';
import { openReporter, type Reporter } from './reporter.js';

export interface SessionOptions {
  /** Continue from the newest valid checkpoint. */
  readonly resume?: boolean;
  /** To extend a finished run, which `resume` then means: its `totalSteps` so far. */
  readonly extendedFrom?: number;
  /**
   * Called when everything has been checked and compiled, before the first file is written. `newRun.undo` restores the
   * folder until the first step is done.
   */
  readonly onBegin?: (newRun: NewRun) => void;
  readonly hooks?: TrainHooks;
}

/**
 * Starts a run in its folder or, with `resume`, loads its newest valid checkpoint; compiles all programs of the run. What
 * can fail does so before the folder is changed.
 */
export async function openTrainingSession(
  run: RunFolder,
  setup: OpenedTrainingSetup,
  engine: Engine,
  options: SessionOptions,
): Promise<TrainingSession> {
  const { hooks = {} } = options;
  const { group } = setup;
  const dataSha256 = await onEveryRank(group, () =>
    inPhase(hooks.onPhase, `hashing data ${setup.dataset.name}`, () => setup.dataset.hash()),
  );
  if (group.size > 1) await checkSameInputs(group, engine, dataSha256);
  const opened = await onEveryRank(group, () =>
    group.rank === 0 ? openFolder(run, setup, engine, dataSha256, options) : undefined,
  );
  const start = await fromRankZero(group, (): Start => {
    const { resumedFrom, curriculumState } = opened!;
    const { step = 0, log } = resumedFrom?.manifest ?? {};
    return { firstStep: step, log, curriculumState };
  });
  const { firstStep, log } = start;
  const curriculumState = start.curriculumState ?? setup.curriculum.initialState?.();

  const arrays = opened?.arrays ?? emptyState(setup);
  if (group.size > 1) {
    for (const { data } of Object.values(arrays)) await group.broadcast(data as Float32Array);
  }
  const compiledStep = await onEveryRank(group, () => compileStep(setup, engine, arrays, log?.['gradScaler']));
  const { state } = compiledStep;
  const guard = new NonFiniteGuard(setup.config.maxSkippedSteps, log?.['skipped']);
  let newRun: NewRun | undefined;
  const begin = (evaluationSha256: string | undefined): number => {
    const begun = opened?.begin(evaluationSha256);
    newRun = begun?.newRun;
    return begun?.evaluatedSince ?? 0;
  };
  const reporter = await onEveryRank(group, () =>
    openReporter({ run, setup, engine, state, firstStep, windowState: log, begin, hooks }),
  );
  const policy = checkpointPolicy(setup.config);
  const checkpointer =
    opened &&
    new Checkpointer({
      run,
      setup,
      engine,
      policy,
      dataSha256,
      resumedFrom: opened.resumedFrom && { path: opened.resumedFrom.path, step: firstStep, isGood: !guard.isSkipping },
      logFiles: reporter.files,
      onLogFailed: (error) => reporter.warnOfLog(error),
      onSettled: (step, isSaved) => reporter.settleBest(step, isSaved),
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
    newRun,
    hooks,
  });
}

/** What all ranks start from. */
interface Start {
  readonly firstStep: number;
  readonly log: ManifestFields['log'] | undefined;
  /** The state of an adaptive curriculum in a checkpoint. */
  readonly curriculumState: ScheduleState | undefined;
}

interface OpenedFolder {
  readonly resumedFrom: Checkpoint | undefined;
  readonly arrays: Arrays;
  readonly curriculumState: ScheduleState | undefined;
  /** Writes the first files of the session. `evaluationSha256` is the setting of its evaluations, if it has any. */
  readonly begin: (evaluationSha256: string | undefined) => {
    readonly newRun: NewRun;
    /** The step after which all evaluations have that setting. */
    readonly evaluatedSince: number;
  };
}

/** Reads what a session starts from, and checks that it can be saved. Changes nothing before `begin`. */
function openFolder(
  run: RunFolder,
  setup: OpenedTrainingSetup,
  engine: Engine,
  dataSha256: string,
  { resume = false, extendedFrom, onBegin, hooks = {} }: SessionOptions,
): OpenedFolder {
  const config = { ...setup.config, totalSteps: extendedFrom ?? setup.config.totalSteps };
  const trained = { config, dataset: setup.dataset };
  const resumedFrom = resume ? findCheckpoint(run, trained, engine, dataSha256, hooks.onNote) : undefined;
  const history = resume ? readHistory(run) : {};
  const extension = extendedFrom === undefined ? undefined : extensionOf(run, extendedFrom, resumedFrom);
  if (extension !== undefined) hooks.onNote?.(describeExtension(setup, extension));
  const earlier = resumedFrom && noteOfEarlierSteps(resumedFrom, history);
  if (earlier !== undefined) hooks.onNote?.(earlier);
  const firstStep = resumedFrom?.manifest.step ?? 0;
  const policy = checkpointPolicy(setup.config);
  const isReplaced = !resume && hasRun(run);
  const warning = checkDiskSpace(run, setup, policy, firstStep, isReplaced ? spaceOfReplaced(run) : {});
  if (warning !== undefined) hooks.onNote?.(warning);
  const restored = resumedFrom && unpackState(setup, resumedFrom);
  return {
    resumedFrom,
    arrays: restored?.arrays ?? initialState(setup, hooks.onNote),
    curriculumState: restored?.curriculumState,
    begin(evaluationSha256) {
      const newRun = resume ? continuedRun(run) : beginNewRun(run);
      onBegin?.(newRun);
      createRunFolder(run);
      const extended = extension === undefined ? history : withExtension(history, extension);
      const now = evaluationSha256 === undefined ? extended : withEvaluations(extended, firstStep, evaluationSha256);
      saveConfig(run, record(setup, engine, dataSha256, environment(), now));
      const evaluatedSince = now.evaluations?.at(-1)?.from ?? 0;
      const isOther = evaluatedSince === firstStep && firstStep > 0;
      if (evaluationSha256 !== undefined && isOther) hooks.onNote?.(noteOfEvaluations(firstStep));
      return { newRun, evaluatedSince };
    },
  };
}

const noteOfEvaluations = (step: number): string =>
  `evaluations after step ${step} have another number of samples, sampler, or extractor than earlier ones: the best ` +
  'checkpoint is chosen among the later ones';

interface SessionParts {
  readonly run: RunFolder;
  readonly setup: OpenedTrainingSetup;
  readonly firstStep: number;
  /** The state of an adaptive curriculum. */
  readonly curriculumState: ScheduleState | undefined;
  readonly compiledStep: CompiledStep;
  readonly guard: NonFiniteGuard;
  readonly reporter: Reporter;
  /** On rank 0 only. */
  readonly checkpointer: Checkpointer | undefined;
  /** On rank 0 only. */
  readonly newRun: NewRun | undefined;
  readonly hooks: TrainHooks;
}

/** The state shared by the steps of a session and the work between them. */
export class TrainingSession {
  readonly run: RunFolder;
  readonly setup: OpenedTrainingSetup;
  readonly compiledStep: CompiledStep;
  /** Steps done before the session started. */
  readonly firstStep: number;
  /** Optimizer steps done; it keys the random numbers of the next step. */
  step: number;
  private curriculumState: ScheduleState | undefined;
  /** Steps that the engine's state includes; undefined while a step is running. */
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

  /** The options with which `trainingSteps` continues from this state. */
  continuation(): TrainingStepsOptions {
    const { step, curriculumState } = this;
    const { guard, checkpointer } = this.parts;
    return {
      firstStep: step,
      curriculumState,
      guard,
      lastGoodCheckpoint: async () => checkpointer?.lastGoodCheckpoint(),
    };
  }

  /** Records a completed step; first waits for the save in flight if necessary (see `Checkpointer.beforeStep`). */
  async recordStep(outcome: StepOutcome): Promise<void> {
    const { step, curriculumState } = outcome;
    const { checkpointer, reporter, newRun, firstStep, hooks } = this.parts;
    await checkpointer?.beforeStep(step);
    this.step = step;
    if (step === firstStep + 1) {
      try {
        newRun?.keep();
      } catch (error) {
        hooks.onNote?.(`the run that was overwritten could not be removed: ${messageOf(error)}`);
      }
    }
    this.curriculumState = curriculumState;
    reporter.addStep(outcome);
  }

  /** Work between two steps, whatever is due. The results of an evaluation go into the log line of its step. */
  async betweenSteps(): Promise<void> {
    const { step, setup } = this;
    const { checkpointer, reporter, guard } = this.parts;
    const isEvaluated = await onEveryRank(setup.group, async () => {
      const evaluated = await reporter.evaluate(step);
      const validated = await reporter.validate(step);
      reporter.log(step, { evaluated, validated }, guard.total);
      await reporter.probe(step);
      await reporter.sample(step);
      await reporter.storeEmaSnapshots(step);
      return evaluated !== undefined;
    });
    // Rank 0 knows the time since the last save and the best evaluation; the rest is the same on all ranks.
    const isDue = () => checkpointer?.isDue(this.snapshot()) ?? false;
    const save = setup.group.size === 1 ? isDue() : await this.isSaveDue(isEvaluated, isDue);
    if (save) await this.save();
    else reporter.settleBest(step, false);
  }

  private async isSaveDue(isEvaluated: boolean, isDueOnRankZero: () => boolean): Promise<boolean> {
    const { step, setup } = this;
    if (setup.config.checkpoints.minutes !== null || isEvaluated) return fromRankZero(setup.group, isDueOnRankZero);
    const { isSkipping } = this.parts.guard;
    const context = { step, minutesSinceSave: 0, isBest: false, isSkipping };
    return shouldSave(checkpointPolicy(setup.config).save, context);
  }

  /** Paths of the newest checkpoint and sample grid. */
  get newest(): { readonly checkpoint: string | undefined; readonly samples: string | undefined } {
    return { checkpoint: this.parts.checkpointer?.newest, samples: this.parts.reporter.samples };
  }

  /** The loss relative to its minimum, if training has diverged. */
  get divergence(): Divergence | undefined {
    return this.parts.reporter.divergence;
  }

  /** Saves a checkpoint of this step, unless there is one. All ranks must call it; they compare their states. */
  async save(): Promise<void> {
    await checkSameState(this.setup, this.compiledStep.state, this.step);
    await this.parts.checkpointer?.save(this.snapshot());
  }

  /**
   * After an error: saves the last completed step, if the engine still has its state, so that a resumed run continues from
   * there. Never throws, so that the original error is the one reported.
   */
  async rescue(): Promise<void> {
    const { step, firstStep, stepOfState } = this;
    const { checkpointer, hooks } = this.parts;
    const { onNote } = hooks;
    if (checkpointer === undefined || step === firstStep || stepOfState !== step) return;
    try {
      // The log line and the snapshots of the step, in case the error came before them: a resumed run does not repeat it.
      this.parts.reporter.log(step, {}, this.parts.guard.total);
      await this.parts.reporter.storeEmaSnapshots(step);
      await checkpointer.save(this.snapshot());
      await this.finish();
      onNote?.(`training ends because of an error; step ${step} was saved, and --resume continues from there`);
    } catch (error) {
      onNote?.(`training ends because of an error, and step ${step} could not be saved: ${messageOf(error)}`);
    }
  }

  /**
   * Waits for the last save and reads it back, see `Checkpointer.finish`.
   *
   * @throws {Error} the error of the last save, if it failed
   */
  async finish(): Promise<void> {
    await this.parts.checkpointer?.finish(this.snapshot());
  }

  /** Writes report.html and returns its path; undefined if it cannot be written. */
  report(): string | undefined {
    return this.parts.reporter.writeReport();
  }

  /** Retries failed writes once, and returns what could not be written. */
  finishFiles(): string[] {
    return this.parts.reporter.finishFiles();
  }

  async dispose(): Promise<void> {
    const { checkpointer, reporter, compiledStep } = this.parts;
    await checkpointer?.dispose();
    await reporter.dispose();
    await compiledStep.dispose();
  }

  /** `step`, with `stepOfState` kept up to date: an error may leave the engine's state between two steps. */
  private observed(step: CompiledStep): CompiledStep {
    const { firstStep, hooks } = this.parts;
    const { onPhase } = hooks;
    return {
      ...step,
      run: async (index, batch, sample) => {
        this.stepOfState = undefined;
        const run = () => step.run(index, batch, sample);
        try {
          const result = index === firstStep ? await inPhase(onPhase, 'first step', run) : await run();
          this.stepOfState = index + 1;
          return result;
        } catch (error) {
          // Ranks share an error before any of them updates its state.
          if (isSharedError(error)) this.stepOfState = index;
          throw error;
        }
      },
    };
  }

  private snapshot(): RunSnapshot {
    const { step, curriculumState } = this;
    const { compiledStep, reporter, guard } = this.parts;
    const { gradScaler } = compiledStep;
    return {
      step,
      state: compiledStep.state,
      curriculumState,
      log: {
        ...reporter.windowState(),
        skipped: guard.state(),
        ...(gradScaler !== undefined && { gradScaler: gradScaler.state() }),
      },
      best: reporter.best,
      isSkipping: guard.isSkipping,
    };
  }
}
