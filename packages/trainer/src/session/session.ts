/**
 * One session of a run: what stands around the steps. It finds where to begin, and looks after the run between steps:
 * counts, evaluates, logs, samples, saves.
 */
import { rmSync } from 'node:fs';
import type { ScheduleState } from '@dm/curriculum';
import type { Engine } from '@dm/ops';
import { bestOfLog, type Best } from '../checkpoint/best.js';
import { latestValid, type Checkpoint } from '../checkpoint/checkpoint.js';
import { difficultyRecorder, type DifficultyRecorder } from '../eval/difficulty/recorder.js';
import { trainingEvaluator, type TrainingEvaluator } from '../eval/during-training.js';
import { writeAndFsync } from '../files/atomic-write.js';
import type { TrainHooks } from './hooks.js';
import { LogWindow } from './log-window.js';
import { removeEventFiles } from '../logs/event-file.js';
import { openRunLog, type RunLog } from '../logs/run-log.js';
import type { MetricsRecord } from '../run/metrics.js';
import { peakMemoryMb } from '../machine/peak-memory.js';
import { record, type OpenedTrainingSetup } from '../setup/open-training-setup.js';
import { writeReport } from '../report/report.js';
import { checkSameTraining, trainingHash } from '../checkpoint/resume.js';
import { checkRoom } from '../checkpoint/disk-space.js';
import { createRunFolder, holdsRun, samplePath, saveConfig, type RunFolder } from '../run/run-folder.js';
import { createGridSampler, type GridSampler } from '../sampling/sampler.js';
import { createAsyncCheckpointer, type AsyncCheckpointer } from '../checkpoint/async-checkpointer.js';
import { NonFiniteGuard } from '../step/non-finite-guard.js';
import { ThroughputMeter } from './throughput.js';
import { initialState, packState, unpackState } from '../checkpoint/state.js';
import { compileStep, type CompiledStep } from '../step/compiled-step.js';
import type { StepOutcome } from '../step/training-loop.js';

/** What the steps of a session and the work between them share. */
export class Session {
  /** Optimizer steps done; the random numbers of the next one are keyed by it. */
  step: number;
  curriculumState: ScheduleState | undefined;
  /** The newest sample grid. */
  samples: string | undefined;
  /** The newest checkpoint. */
  saved: string | undefined;
  /** The newest that was written while updates were not being skipped. */
  private good: string | undefined;
  /** The last step that was handed to the saver. */
  private savedStep: number | undefined;
  /** When that was, on the process's clock. */
  private savedAt = performance.now();
  private readonly saver: AsyncCheckpointer;
  private best: Best | undefined;
  private readonly speed: ThroughputMeter;
  private readonly window: LogWindow;
  readonly guard: NonFiniteGuard;

  private constructor(
    readonly run: RunFolder,
    readonly setup: OpenedTrainingSetup,
    private readonly engine: Engine,
    private readonly dataSha256: string,
    private readonly hooks: TrainHooks,
    readonly compiledStep: CompiledStep,
    private readonly sampler: GridSampler,
    private readonly evaluator: TrainingEvaluator | undefined,
    private readonly recorder: DifficultyRecorder | undefined,
    private readonly from: Checkpoint | undefined,
    private readonly runLog: RunLog,
    curriculumState: ScheduleState | undefined,
  ) {
    const { config, curriculum } = setup;
    this.step = this.firstStep;
    this.curriculumState = curriculumState;
    this.saved = from?.path;
    this.savedStep = from?.manifest.step;
    this.window = new LogWindow(curriculum.numTimesteps, from?.manifest.log);
    this.guard = new NonFiniteGuard(config.skipLimit, from?.manifest.log['skipped']);
    this.good = this.guard.isSkipping ? undefined : from?.path;
    this.saver = createAsyncCheckpointer({
      onSaved: (checkpoint) => {
        this.saved = checkpoint.path;
        if (!this.guard.isSkipping) this.good = checkpoint.path;
        hooks.onCheckpoint?.(checkpoint);
      },
      onFailed: (error, at) =>
        hooks.onNote?.(`step ${at} is not saved, training goes on until the next checkpoint is due: ${error.message}`),
    });
    this.speed = new ThroughputMeter(config.batchSize, runLog.before.at(-1)?.seconds ?? 0);
    this.best = evaluator && bestOfLog(run.checkpoints, runLog.before, evaluator.label, this.step);
  }

  /** Begins a run in its folder or, to `resume`, takes its newest valid checkpoint; compiles what the run needs. */
  static async open(
    run: RunFolder,
    setup: OpenedTrainingSetup,
    engine: Engine,
    { resume = false, hooks = {} }: { readonly resume?: boolean; readonly hooks?: TrainHooks },
  ): Promise<Session> {
    const { config, curriculum } = setup;
    const dataSha256 = await setup.dataset.hash();
    const from = resume ? findCheckpoint(run, setup, engine, dataSha256, hooks) : undefined;
    if (!resume && holdsRun(run)) removeRun(run);
    const tight = checkRoom(run, setup, from?.manifest.step ?? 0);
    if (tight !== undefined) hooks.onNote?.(tight);
    saveConfig(run, record(setup, engine, dataSha256));
    const runLog = openRunLog(run, config, from?.manifest.step ?? 0);

    const restored = from === undefined ? undefined : unpackState(setup, from);
    const curriculumState = restored?.schedule ?? curriculum.initialState?.();
    const compiledStep = await compileStep(setup, engine, restored?.arrays ?? initialState(setup));
    const sampler = createGridSampler(setup, engine);
    const evaluator = config.evalEvery > 0 ? await trainingEvaluator(setup, engine, hooks.onNote) : undefined;
    const recorder =
      config.probe.every > 0
        ? await difficultyRecorder(run, setup, engine, { onRecord: runLog.addDifficulty, onNote: hooks.onNote })
        : undefined;
    await recorder?.begin(from?.manifest.step ?? 0, compiledStep.state);
    const parts = [run, setup, engine, dataSha256, hooks, compiledStep, sampler, evaluator, recorder, from] as const;
    const session = new Session(...parts, runLog, curriculumState);
    session.announce();
    return session;
  }

  /** Steps that were done when the session began. */
  get firstStep(): number {
    return this.from?.manifest.step ?? 0;
  }

  private announce(): void {
    const { model, layout, dataset, config } = this.setup;
    this.hooks.onStart?.({
      out: this.run.path,
      model: model.kind,
      parameters: layout.size,
      engine: this.engine.name,
      data: dataset.name,
      images: dataset.length,
      shape: dataset.shape,
      batchSize: config.batchSize,
      step: this.firstStep,
      totalSteps: config.totalSteps,
    });
    for (const note of dataset.notes ?? []) this.hooks.onNote?.(note);
  }

  /**
   * The newest checkpoint that was written while updates were not being skipped. Waits for the save in flight: what is
   * being saved is from before, and must be known as good before another skip is counted.
   */
  async lastGoodCheckpoint(): Promise<string | undefined> {
    await this.saver.settle();
    return this.good;
  }

  /** Takes in a step that was done. */
  async recordStep(outcome: StepOutcome): Promise<void> {
    const { step, sample, result, curriculumState, seconds, secondsWaited, skipped } = outcome;
    await this.waitForSave(step);
    this.step = step;
    this.curriculumState = curriculumState;
    this.speed.add(seconds, secondsWaited);
    if (skipped !== undefined) this.hooks.onNote?.(skipped);
    this.hooks.onStep?.(step, result.loss);
    if (result.isFinite) this.window.add({ ...result, timesteps: sample.timesteps });
  }

  /** Metrics of samples, where they are due; a new best is kept in mind for `save`. */
  async evaluate(): Promise<MetricsRecord['eval']> {
    const { evaluator, compiledStep, window } = this;
    const { evalEvery, evalSamples } = this.setup.config;
    if (evaluator === undefined || window.isEmpty || !this.isDue(evalEvery)) return undefined;
    const evaluated = await evaluator.measure(await this.sampler.images(compiledStep.state, evalSamples));
    const value = evaluated[evaluator.label];
    if (value !== undefined && (this.best === undefined || value < this.best.value)) {
      this.best = { step: this.step, metric: evaluator.label, value };
    }
    return evaluated;
  }

  /** A line of metrics.jsonl, where one is due. Where all updates since the last one were skipped, there is none to write. */
  log(evaluated: MetricsRecord['eval']): void {
    const { step, setup, window, hooks, speed, guard } = this;
    const { config, lr, momentum, averages } = setup;
    const isLogged = step % config.logEvery === 0 || step === config.totalSteps || evaluated !== undefined;
    if (!isLogged || window.isEmpty) {
      if (step === this.firstStep + 1) speed.restart();
      return;
    }
    const line: MetricsRecord = {
      step,
      images: step * config.batchSize,
      ...window.take(),
      ...(evaluated !== undefined && { eval: evaluated }),
      ...(guard.total > 0 && { skipped: guard.total }),
      lr: lr(step - 1),
      beta1: momentum(step - 1),
      emaDecay: averages[0]!.decay(step - 1),
      ...speed.take(),
      peakMb: Math.round(peakMemoryMb()),
    };
    this.runLog.add(line);
    hooks.onLog?.(line, config.totalSteps);
  }

  /** Loss and gradient by noise bucket, where they are due. */
  async probe(): Promise<void> {
    if (this.isDue(this.setup.config.probe.every)) await this.recorder?.record(this.step, this.compiledStep.state);
  }

  /** A grid of samples, where one is due. */
  async sample(): Promise<void> {
    const { step, run } = this;
    if (!this.isDue(this.setup.config.sampleEvery)) return;
    this.samples = samplePath(run, step);
    const png = await this.sampler.grid(this.compiledStep.state);
    writeAndFsync(this.samples, png, true);
    this.runLog.addSample(step, png);
    this.hooks.onSample?.({ step, path: this.samples });
  }

  /**
   * A checkpoint, where one is due or the weights are the best so far. While updates are skipped none is written before
   * the end: the weights are those of before, and may be what is wrong.
   */
  async save(): Promise<void> {
    const { checkpointEvery, checkpointMinutes, totalSteps } = this.setup.config;
    const isBest = this.best?.step === this.step;
    const minutes = (performance.now() - this.savedAt) / 60_000;
    const isDue = this.isDue(checkpointEvery) || (checkpointMinutes !== null && minutes >= checkpointMinutes) || isBest;
    if (isDue && (!this.guard.isSkipping || this.step === totalSteps)) await this.saveNow();
  }

  /**
   * A checkpoint of this step, unless one is made already. The state is copied here; what follows goes on beside
   * `checkpointOverlap` steps. A save that fails does not end the training, which may be saved later: it is said, and `finish` throws the
   * error of the last one.
   */
  async saveNow(): Promise<void> {
    const { step, setup, engine, run, best, dataSha256, saver } = this;
    if (this.savedStep === step) return;
    await saver.settle(); // before another copy of the state is made
    this.savedStep = step;
    this.savedAt = performance.now();
    const state = await this.compiledStep.state.read(undefined, saver.acquireBuffer());
    await saver.save({
      folder: run.checkpoints,
      fields: {
        step,
        configSha256: trainingHash(setup.config),
        dataSha256,
        engine: { name: engine.name, info: { ...engine.info } },
        log: { ...this.window.state(), skipped: this.guard.state() },
      },
      files: packState(setup, state, this.curriculumState),
      state,
      logs: [...this.runLog.files, run.difficulty],
      best: best?.step === step ? best : undefined,
      keep: setup.config.keep,
    });
    await this.waitForSave(step);
  }

  /**
   * Waits for the save in flight where `step` may not be done before it is. With the default of 1 the step after a save is
   * computed beside it and counts when it is there. So while step s is the last that counts, the newest checkpoint is at
   * least that of s - interval: s - interval itself only where s is being saved, a later one everywhere else.
   */
  private async waitForSave(step: number): Promise<void> {
    const { savedStep, saver, setup } = this;
    if (savedStep !== undefined && step - savedStep >= setup.config.checkpointOverlap) await saver.settle();
  }

  /** Waits for the last save. Throws where it failed. */
  finish(): Promise<void> {
    return this.saver.finish();
  }

  /** Writes report.html and returns its path. */
  report(): string {
    return writeReport([this.run], this.run.report);
  }

  async dispose(): Promise<void> {
    await this.saver.dispose();
    await this.recorder?.dispose();
    await this.evaluator?.dispose();
    await this.sampler.dispose();
    await this.compiledStep.dispose();
  }

  /** Every `every` steps, and at the end. */
  private isDue(every: number): boolean {
    return this.step === this.setup.config.totalSteps || (every > 0 && this.step % every === 0);
  }
}

function findCheckpoint(
  run: RunFolder,
  setup: OpenedTrainingSetup,
  engine: Engine,
  dataSha256: string,
  hooks: TrainHooks,
): Checkpoint | undefined {
  const { checkpoint, skipped } = latestValid(run.checkpoints);
  for (const { path, reason } of skipped) hooks.onNote?.(`skipped ${path}: ${reason}`);
  if (checkpoint === undefined) hooks.onNote?.(`no valid checkpoint in ${run.checkpoints}: starting from step 0`);
  else checkSameTraining(run, setup, engine, checkpoint, dataSha256, hooks.onNote);
  return checkpoint;
}

/** Everything that a former run left in the folder; the lock and what others put there stay. */
function removeRun(run: RunFolder): void {
  for (const path of [run.config, run.metrics, run.difficulty, run.report]) rmSync(path, { force: true });
  for (const path of [run.samples, run.checkpoints]) rmSync(path, { recursive: true, force: true });
  removeEventFiles(run.path);
  createRunFolder(run);
}
