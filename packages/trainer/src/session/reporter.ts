/** What a run tells of itself between steps: evaluations, log lines, probes, sample grids, and its report. */
import type { Engine, StateHandle } from '@dm/ops';
import { bestFromLog, type Best } from '../checkpoint/best.js';
import { isDue } from '../checkpoint/policy.js';
import { openDifficultyRecorder, type DifficultyRecorder } from '../eval/difficulty/recorder.js';
import { openTrainingEvaluator, type TrainingEvaluator } from '../eval/during-training.js';
import { writeAndFsync } from '../files/atomic-write.js';
import { createRunLog, type RunLog } from '../logs/run-log.js';
import { peakMemoryMb } from '../machine/peak-memory.js';
import { writeReport } from '../report/report.js';
import type { MetricsRecord } from '../run/metrics.js';
import { samplePath, type RunFolder } from '../run/run-folder.js';
import { createPreviewSampler, type PreviewSampler } from '../sampling/sampler.js';
import type { OpenedTrainingSetup } from '../setup/open-training-setup.js';
import type { StepOutcome } from '../step/training-loop.js';
import type { TrainHooks } from './hooks.js';
import { LogWindow, type WindowState } from './log-window.js';
import { ThroughputMeter } from './throughput.js';

export interface ReporterOptions {
  readonly run: RunFolder;
  readonly setup: OpenedTrainingSetup;
  readonly engine: Engine;
  /** Of the training; read only. */
  readonly state: StateHandle;
  /** Steps that were done when the session began, and sums of the log line that was being gathered then. */
  readonly firstStep: number;
  readonly windowState: WindowState | undefined;
  readonly hooks: TrainHooks;
}

interface ReporterParts extends ReporterOptions {
  readonly runLog: RunLog;
  readonly sampler: PreviewSampler;
  /** Where the run evaluates, and probes. */
  readonly evaluator: TrainingEvaluator | undefined;
  readonly recorder: DifficultyRecorder | undefined;
}

/** Opens the log of a session, and compiles what its samples, evaluations and probes need. */
export async function openReporter(options: ReporterOptions): Promise<Reporter> {
  const { run, setup, engine, state, firstStep, hooks } = options;
  const { config } = setup;
  const runLog = createRunLog(run, config, firstStep);
  const sampler = createPreviewSampler(setup, engine);
  const evaluator = config.evaluation.every > 0 ? await openTrainingEvaluator(setup, engine, hooks.onNote) : undefined;
  const recorder =
    config.probe.every > 0
      ? await openDifficultyRecorder(run, setup, engine, { onRecord: runLog.addDifficulty, onNote: hooks.onNote })
      : undefined;
  await recorder?.begin(firstStep, state);
  return new Reporter({ ...options, runLog, sampler, evaluator, recorder });
}

export class Reporter {
  /** The best evaluation so far, if the run evaluates. */
  best: Best | undefined;
  /** Path of the newest sample grid. */
  samples: string | undefined;
  private readonly window: LogWindow;
  private readonly throughput: ThroughputMeter;

  constructor(private readonly parts: ReporterParts) {
    const { run, setup, runLog, evaluator, firstStep, windowState } = parts;
    this.window = new LogWindow(setup.curriculum.numTimesteps, windowState);
    this.throughput = new ThroughputMeter(setup.config.batchSize, runLog.before.at(-1)?.seconds ?? 0);
    this.best = evaluator && bestFromLog(run.checkpoints, runLog.before, evaluator.label, firstStep);
  }

  /** Files that are appended to. */
  get files(): readonly string[] {
    return [...this.parts.runLog.files, this.parts.run.difficulty];
  }

  /** For a checkpoint. */
  windowState(): WindowState {
    return this.window.state();
  }

  /** Tells the caller that the run begins. */
  announce(): void {
    const { run, setup, engine, firstStep, hooks } = this.parts;
    const { model, layout, dataset, config } = setup;
    hooks.onStart?.({
      out: run.path,
      model: model.kind,
      parameters: layout.size,
      engine: engine.name,
      data: dataset.name,
      images: dataset.length,
      shape: dataset.shape,
      batchSize: config.batchSize,
      step: firstStep,
      totalSteps: config.totalSteps,
    });
    for (const note of dataset.notes ?? []) hooks.onNote?.(note);
  }

  /** Adds a step to the next log line: its loss only if its update was not skipped. */
  addStep({ step, sample, result, seconds, secondsWaited, skipped }: StepOutcome): void {
    const { hooks } = this.parts;
    if (result.isFinite) this.window.add({ ...result, timesteps: sample.timesteps });
    this.throughput.add(seconds, secondsWaited);
    if (skipped !== undefined) hooks.onNote?.(skipped);
    hooks.onStep?.(step, result.loss);
  }

  /** Metrics of samples, if they are due; may set `best`. */
  async evaluate(step: number): Promise<MetricsRecord['eval']> {
    const { evaluator, sampler, state, setup } = this.parts;
    if (evaluator === undefined || this.window.isEmpty || !this.isDue(step, setup.config.evaluation.every))
      return undefined;
    const evaluated = await evaluator.measure(await sampler.images(state, setup.config.evaluation.samples));
    const value = evaluated[evaluator.label];
    if (value !== undefined && (this.best === undefined || value < this.best.value)) {
      this.best = { step, metric: evaluator.label, value };
    }
    return evaluated;
  }

  /**
   * A line of metrics.jsonl, if one is due: not if all updates since the last one were skipped. `skipped` counts them since
   * the beginning of the run.
   */
  log(step: number, evaluated: MetricsRecord['eval'], skipped: number): void {
    const { setup, runLog, firstStep, hooks } = this.parts;
    const { config, lr, momentum, averages } = setup;
    const isLogged = this.isDue(step, config.logEvery) || evaluated !== undefined;
    if (!isLogged || this.window.isEmpty) {
      if (step === firstStep + 1) this.throughput.restart();
      return;
    }
    const line: MetricsRecord = {
      step,
      images: step * config.batchSize,
      ...this.window.take(),
      ...(evaluated !== undefined && { eval: evaluated }),
      ...(skipped > 0 && { skipped }),
      lr: lr(step - 1),
      beta1: momentum(step - 1),
      emaDecay: averages[0]!.decay(step - 1),
      ...this.throughput.take(),
      peakMb: Math.round(peakMemoryMb()),
    };
    runLog.add(line);
    hooks.onLog?.(line, config.totalSteps);
  }

  /** Loss and gradient by noise bucket, if they are due. */
  async probe(step: number): Promise<void> {
    const { recorder, setup, state } = this.parts;
    if (this.isDue(step, setup.config.probe.every)) await recorder?.record(step, state);
  }

  /** A grid of samples, if one is due. */
  async sample(step: number): Promise<void> {
    const { run, setup, sampler, state, runLog, hooks } = this.parts;
    if (!this.isDue(step, setup.config.sampleEvery)) return;
    this.samples = samplePath(run, step);
    const png = await sampler.grid(state);
    writeAndFsync(this.samples, png, true);
    runLog.addSample(step, png);
    hooks.onSample?.({ step, path: this.samples });
  }

  /** Writes report.html and returns its path. */
  writeReport(): string {
    const { run } = this.parts;
    return writeReport([run], run.report);
  }

  async dispose(): Promise<void> {
    const { recorder, evaluator, sampler } = this.parts;
    await recorder?.dispose();
    await evaluator?.dispose();
    await sampler.dispose();
  }

  private isDue(step: number, every: number): boolean {
    return isDue(step, every, this.parts.setup.config.totalSteps);
  }
}
