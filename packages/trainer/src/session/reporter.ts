/** The output of a run between steps: evaluations, log lines, probes, sample grids, and the report. */
import { dmCommand } from '@dm/files';
import type { Engine, StateHandle } from '@dm/ops';
import type { Best } from '../checkpoint/best.js';
import { emaSnapshotEntries, writeEmaSnapshots } from '../checkpoint/ema-snapshots.js';
import { isDue } from '../checkpoint/policy.js';
import { restoreBest } from '../checkpoint/resume.js';
import { openDifficultyRecorder, type DifficultyRecorder } from '../eval/difficulty/recorder.js';
import { openRunValidator, type RunValidator } from '../eval/validation/run-validator.js';
import { openTrainingEvaluator, type TrainingEvaluator } from '../eval/during-training.js';
import { atomicWriteFile } from '../files/atomic-write.js';
import { gridPng, writeImages } from '../files/images.js';
import { createRunLog, silentRunLog, type RunLog } from '../logs/run-log.js';
import { peakMemoryMb } from '../machine/peak-memory.js';
import { writeReport } from '../report/report.js';
import type { MetricsRecord } from '../run/metrics-record.js';
import { latentSamplePath, samplePath, type RunFolder } from '../run/run-folder.js';
import { createPreviewSampler, type PreviewSampler } from '../sampling/sampler.js';
import type { OpenedTrainingSetup } from '../setup/open-training-setup.js';
import { inPhase } from '../setup/phases.js';
import type { Divergence } from '../step/loss-trend.js';
import type { StepOutcome } from '../step/training-loop.js';
import type { TrainHooks } from './hooks.js';
import type { WindowState } from './log-window.js';
import { StepLog } from './step-log.js';
import { StragglerMeter } from './stragglers.js';
import { Unwritten } from '../files/unwritten.js';

export interface ReporterOptions {
  readonly run: RunFolder;
  readonly setup: OpenedTrainingSetup;
  readonly engine: Engine;
  /** The training state; only read. */
  readonly state: StateHandle;
  /** Steps done before the session started, and the sums for the next log line at that step. */
  readonly firstStep: number;
  readonly windowState: WindowState | undefined;
  /**
   * Called after everything that can fail, before the first file is written, with the setting of the evaluations, if there
   * are any. Returns the step after which all have that setting.
   */
  readonly begin: (evaluationSha256: string | undefined) => number;
  readonly hooks: TrainHooks;
}

interface ReporterParts extends Omit<ReporterOptions, 'begin'> {
  readonly unwritten: Unwritten;
  readonly runLog: RunLog;
  readonly sampler: PreviewSampler;
  /** Present if the run evaluates, measures a validation loss, or probes. */
  readonly evaluator: TrainingEvaluator | undefined;
  readonly validator: RunValidator | undefined;
  readonly recorder: DifficultyRecorder | undefined;
  /** The step after which all evaluations have the same setting. */
  readonly evaluatedSince: number;
}

/** Compiles the programs for samples, evaluations and probes, then opens the log of a session. */
export async function openReporter({ begin, ...options }: ReporterOptions): Promise<Reporter> {
  const { run, setup, engine, state, firstStep, hooks } = options;
  const { config } = setup;
  const unwritten = new Unwritten(hooks.onNote);
  const isRoot = setup.group.rank === 0;
  const sampler = createPreviewSampler(setup, engine, setup.group);
  const evaluator =
    isRoot && config.evaluation.every > 0 ? await openTrainingEvaluator(setup, engine, hooks.onNote) : undefined;
  const recorder =
    config.probe.every > 0
      ? await openDifficultyRecorder(run, setup, engine, {
          onRecord: (line, setting) => runLog.addDifficulty(line, setting),
          onNote: hooks.onNote,
          unwritten,
        })
      : undefined;
  const validator =
    config.validation.every > 0
      ? await openRunValidator(run, setup, engine, { firstStep, unwritten, ...hooks })
      : undefined;
  const evaluatedSince = begin(evaluator?.settingSha256);
  const runLog = isRoot ? createRunLog(run, config, firstStep, unwritten) : silentRunLog;
  validator?.begin();
  await recorder?.begin(firstStep, state);
  return new Reporter({ ...options, unwritten, runLog, sampler, evaluator, validator, recorder, evaluatedSince });
}

/** What was measured after a step, if it was due. */
export interface Measured {
  readonly evaluated?: MetricsRecord['eval'];
  readonly validated?: MetricsRecord['validation'];
}

/** On ranks other than 0 it takes part in sampling, validating and probing, and writes and reports nothing. */
export class Reporter {
  /** The best evaluation so far, if the run evaluates: of a saved checkpoint, or of one that may be saved now. */
  best: Best | undefined;
  /** The best one whose checkpoint is saved. */
  private savedBest: Best | undefined;
  /** Path of the newest sample grid. */
  samples: string | undefined;
  private readonly steps: StepLog;
  private readonly stragglers = new StragglerMeter();

  constructor(private readonly parts: ReporterParts) {
    const { run, setup, runLog, evaluator, evaluatedSince, firstStep, windowState, hooks } = parts;
    this.steps = new StepLog(setup, windowState, runLog.before.at(-1)?.seconds ?? 0);
    this.best =
      evaluator &&
      restoreBest(run.checkpoints, runLog.before, evaluator.label, firstStep, hooks.onNote, evaluatedSince);
    this.savedBest = this.best;
  }

  /** Paths of the log files that are appended to. */
  get files(): readonly string[] {
    return [...this.parts.runLog.files, this.parts.run.difficulty];
  }

  /** The state of the log window, for a checkpoint. */
  windowState(): WindowState {
    return this.steps.state();
  }

  /** The loss relative to its minimum, if training has diverged. */
  get divergence(): Divergence | undefined {
    return this.steps.divergence;
  }

  /** Calls `onStart`. */
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
      ...(setup.group.size > 1 && { ranks: setup.group.size }),
      step: firstStep,
      totalSteps: config.totalSteps,
      budgets: config.budgets,
    });
    for (const note of dataset.notes ?? []) hooks.onNote?.(note);
  }

  /** Adds a step to the next log line. */
  addStep(outcome: StepOutcome): void {
    const { step, result, skipped } = outcome;
    const { hooks } = this.parts;
    const diverged = this.steps.addStep(outcome);
    if (diverged !== undefined) hooks.onNote?.(diverged);
    if (result.exchange !== undefined) this.stragglers.add(result.exchange.computed);
    if (skipped !== undefined) hooks.onNote?.(skipped);
    hooks.onStep?.(step, result.loss);
  }

  /** Evaluates samples if due; may update `best`. The result is empty on ranks other than 0. */
  async evaluate(step: number): Promise<MetricsRecord['eval']> {
    const { evaluator, sampler, state, setup, hooks } = this.parts;
    const { every, samples } = setup.config.evaluation;
    if (every === 0 || this.steps.isEmpty || !this.isDue(step, every)) return undefined;
    const evaluated = await inPhase(hooks.onPhase, `evaluating ${samples} samples`, async () => {
      const images = await sampler.images(state, samples);
      return images === undefined ? undefined : evaluator?.measure(images);
    });
    if (evaluated === undefined || evaluator === undefined) return {};
    const value = evaluated[evaluator.label];
    if (value !== undefined && (this.best === undefined || value < this.best.value)) {
      this.best = { step, metric: evaluator.label, value };
    }
    return evaluated;
  }

  /** The checkpoint of a step was saved, or was not; an evaluation without one is not the best. */
  settleBest(step: number, isSaved: boolean): void {
    if (this.best?.step !== step) return;
    if (isSaved) this.savedBest = this.best;
    else this.best = this.savedBest;
  }

  /** Measures the validation loss if due. */
  async validate(step: number): Promise<MetricsRecord['validation']> {
    const { validator, setup, state, hooks } = this.parts;
    if (validator === undefined || this.steps.isEmpty || !this.isDue(step, setup.config.validation.every))
      return undefined;
    return inPhase(hooks.onPhase, 'measuring validation loss', () => validator.measure(state));
  }

  /**
   * Writes a line of metrics.jsonl if one is due, unless all updates since the last one were skipped. `skipped` counts
   * skipped updates since the start of the run.
   */
  log(step: number, { evaluated, validated }: Measured, skipped: number): void {
    const { setup, runLog, firstStep, hooks } = this.parts;
    const { config } = setup;
    const isLogged = this.isDue(step, config.logEvery) || evaluated !== undefined || validated !== undefined;
    if (!isLogged || this.steps.isEmpty) {
      if (step === firstStep + 1) {
        this.steps.restart();
        this.stragglers.restart();
      }
      return;
    }
    const line = this.steps.take(step, {
      measured: {
        ...(evaluated !== undefined && { eval: evaluated }),
        ...(validated !== undefined && { validation: validated }),
      },
      skipped,
      ranks: setup.group.size > 1 ? { ranks: setup.group.size, ...this.stragglers.take() } : {},
      peakMb: Math.round(peakMemoryMb()),
    });
    runLog.add(line);
    hooks.onLog?.(line, config.totalSteps);
  }

  /** Measures loss and gradient per noise bucket if due. */
  async probe(step: number): Promise<void> {
    const { recorder, setup, state, hooks } = this.parts;
    if (recorder === undefined || !this.isDue(step, setup.config.probe.every)) return;
    await inPhase(hooks.onPhase, 'measuring loss by noise', () => recorder.record(step, state));
  }

  /** Writes a grid of samples if due. */
  async sample(step: number): Promise<void> {
    const { run, setup, sampler, state, runLog, unwritten, hooks } = this.parts;
    if (!this.isDue(step, setup.config.sampleEvery)) return;
    const path = samplePath(run, step);
    const { samples } = setup.config;
    const made = await inPhase(hooks.onPhase, `generating ${samples} samples`, () => sampler.images(state, samples));
    if (made === undefined) return;
    if (made.latents !== undefined) {
      const arrays = latentSamplePath(run, step);
      await writeImages(arrays, made).catch((error: unknown) => unwritten.warn('the samples', error as Error));
      if (this.samples === undefined) {
        hooks.onNote?.(`samples are latents: ${arrays} has the arrays, ${path} shows their first channels`);
      }
    }
    const png = await gridPng(made);
    runLog.addSample(step, png);
    if (!unwritten.attempt('the sample grid', `step ${step}`, () => atomicWriteFile(path, png))) return;
    this.samples = path;
    hooks.onSample?.({ step, path });
  }

  /** Stores snapshots of averages if due. Training continues without those that cannot be written. */
  async storeEmaSnapshots(step: number): Promise<void> {
    const { run, setup, state, unwritten } = this.parts;
    const { emaSnapshots } = setup.config;
    if (emaSnapshots === null || setup.group.rank !== 0 || !this.isDue(step, emaSnapshots.every)) return;
    const arrays = await state.read(emaSnapshotEntries(setup));
    unwritten.attempt('the EMA snapshot', `step ${step}`, () => writeEmaSnapshots(run, setup, step, arrays));
  }

  /** Writes report.html and returns its path; undefined if it cannot be written. */
  writeReport(): string | undefined {
    const { run, unwritten } = this.parts;
    const isWritten = unwritten.attempt('report.html', `to write it: ${dmCommand(['report', run.path])}`, () =>
      writeReport([run], run.report),
    );
    return isWritten ? run.report : undefined;
  }

  /** Warns once that the log may not be on disk. */
  warnOfLog(error: Error): void {
    this.parts.unwritten.warn('the log', error);
  }

  /** Retries failed writes once. Returns what could not be written, one message per kind of file. */
  finishFiles(): string[] {
    const { runLog, recorder, unwritten } = this.parts;
    runLog.finish();
    recorder?.finish();
    return unwritten.list();
  }

  async dispose(): Promise<void> {
    const { recorder, evaluator, validator, sampler } = this.parts;
    await recorder?.dispose();
    await validator?.dispose();
    await evaluator?.dispose();
    await sampler.dispose();
  }

  private isDue(step: number, every: number): boolean {
    return isDue(step, every, this.parts.setup.config.totalSteps);
  }
}
