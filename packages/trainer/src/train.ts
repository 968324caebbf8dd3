/**
 * Training: the whole of it in one loop.
 *
 *   import { train } from '@dm/trainer';
 *   const run = await train({ preset: 'mnist', out: 'runs/digits' });
 *   console.log(run.report);
 *
 * Everything random is a function of (seed, stream, step, index), and everything else that a step depends on is in the
 * checkpoint: a resumed run is the unbroken run, bit for bit.
 */
import { rmSync } from 'node:fs';
import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import type { ScheduleState } from '@dm/curriculum';
import type { Engine } from '@dm/ops';
import { bestOfLog, readBest, type Best } from './best.js';
import { stepInputs, fetchBatch, drawTimesteps, type Batch } from './batch.js';
import { latestValid, type Checkpoint } from './checkpoint.js';
import type { PartialConfig } from './config.js';
import { engineOptions, openEngine } from './engine.js';
import { UserError } from './errors.js';
import { trainingEvaluator } from './eval/during-training.js';
import { acquireLock } from './lock.js';
import { LogWindow } from './log-window.js';
import { removeEventFiles } from './logs/event-file.js';
import { openRunLog } from './logs/run-log.js';
import type { MetricsRecord } from './metrics.js';
import { peakMemoryMb } from './peak-memory.js';
import { openRecipe, record, type Recipe } from './recipe.js';
import { writeReport } from './report.js';
import { resolveConfig, type Layer } from './resolve.js';
import { checkSameTraining, savedConfig, trainingHash } from './resume.js';
import {
  createRunFolder,
  defaultFolder,
  holdsRun,
  nothingToResume,
  runFolder,
  samplePath,
  saveConfig,
  type RunFolder,
} from './run-folder.js';
import { createGridSampler } from './sampling.js';
import { createSaver } from './saver.js';
import { initialState, packState, unpackState } from './state.js';
import { trainingStep } from './step.js';
import { writeSynced } from './durable.js';

export interface TrainHooks {
  /** Once, before the first step. */
  readonly onStart?: (started: RunStarted) => void;
  /** After each optimizer step: steps done and the batch's weighted mean loss. */
  readonly onStep?: (step: number, loss: number) => void;
  /** After each line of metrics.jsonl. */
  readonly onLog?: (record: MetricsRecord, totalSteps: number) => void;
  readonly onSample?: (sample: { readonly step: number; readonly path: string }) => void;
  readonly onCheckpoint?: (checkpoint: { readonly step: number; readonly path: string }) => void;
  /** What a person should know: a checkpoint that was skipped, another engine than before. */
  readonly onNote?: (text: string) => void;
}

export interface TrainOptions {
  /** Go on with the run in `out`, from its newest valid checkpoint. */
  readonly resume?: boolean;
  /** Remove the run in `out` first. */
  readonly overwrite?: boolean;
  /** Aborting it saves a checkpoint after the step that is going on and ends the run. */
  readonly signal?: AbortSignal;
  readonly hooks?: TrainHooks;
}

export interface RunStarted {
  readonly out: string;
  readonly model: string;
  readonly parameters: number;
  readonly engine: string;
  readonly data: string;
  readonly images: number;
  readonly shape: readonly number[];
  readonly batchSize: number;
  /** Steps done already. */
  readonly step: number;
  readonly totalSteps: number;
}

export interface TrainResult {
  readonly status: 'finished' | 'stopped' | 'timeBudget';
  /** Optimizer steps done, of `totalSteps`. */
  readonly step: number;
  readonly totalSteps: number;
  /** Seconds of this session, set-up included. */
  readonly seconds: number;
  /** Largest resident size of the process, in MiB. */
  readonly peakMb: number;
  readonly out: string;
  readonly checkpoint: string;
  readonly report: string;
  /** The best checkpoint by the first of `evalMetrics`, where the run evaluates. */
  readonly best?: Best;
  /** The newest sample grid; absent where the run stopped before one was made. */
  readonly samples?: string;
}

/** Trains as configured; what is left out comes from the preset. Throws a UserError on anything a user can put right. */
export async function train(config: PartialConfig = {}, options: TrainOptions = {}): Promise<TrainResult> {
  return trainLayers([{ source: 'the configuration given', value: config }], options);
}

/** `train` with a configuration in layers, whose sources errors name: what the command uses. */
export async function trainLayers(layers: readonly Layer[], options: TrainOptions = {}): Promise<TrainResult> {
  const run = chooseFolder(layers, options);
  createRunFolder(run);
  const lock = acquireLock(run.path);
  let engine: Engine | undefined;
  try {
    const before = options.resume === true ? [savedConfig(run)] : [];
    const chosen = { ...resolveConfig([...before, ...layers]), out: run.path };
    const recipe = await openRecipe(chosen);
    engine = await openEngine(chosen.engine, engineOptions(chosen));
    return await loop(run, recipe, engine, options);
  } finally {
    await engine?.dispose();
    lock.release();
  }
}

function chooseFolder(layers: readonly Layer[], { resume = false, overwrite = false }: TrainOptions): RunFolder {
  const { out } = resolveConfig(layers);
  if (!overwrite && layers.every((l) => l.value.out === undefined)) return defaultFolder(out, resume);
  const run = runFolder(out);
  if (resume && !holdsRun(run)) throw nothingToResume(out);
  if (!resume && !overwrite && holdsRun(run)) {
    throw new UserError(
      `${out} holds a run already. Go on with it (--resume), remove it (--overwrite) or choose another folder (--out).`,
    );
  }
  return run;
}

async function loop(run: RunFolder, recipe: Recipe, engine: Engine, options: TrainOptions): Promise<TrainResult> {
  const { config, curriculum, dataset, optimizer, ema } = recipe;
  const { totalSteps, batchSize } = config;
  const { hooks = {}, signal } = options;
  const began = performance.now();
  const sessionSeconds = () => (performance.now() - began) / 1000;

  // -------------------------------------------------------------------------------------------------------------
  // Set up: where to begin, the compiled programs, the state inside the engine.

  const dataSha256 = await dataset.hash();
  const configSha256 = trainingHash(config);
  const from = options.resume === true ? findCheckpoint(run, recipe, engine, dataSha256, hooks) : undefined;
  if (options.resume !== true && holdsRun(run)) removeRun(run);
  const firstStep = from?.manifest.step ?? 0;
  saveConfig(run, record(recipe, engine, dataSha256));
  const log = openRunLog(run, config, firstStep);

  const restored = from === undefined ? undefined : unpackState(recipe, from);
  let scheduleState: ScheduleState | undefined = restored?.schedule ?? curriculum.initialState?.();
  const window = new LogWindow(curriculum.numTimesteps, from?.manifest.log);
  const program = engine.compile(trainingStep(recipe), { name: 'training step' });
  const state = await program.load(restored?.arrays ?? initialState(recipe));
  const sampler = createGridSampler(recipe, engine);
  const evaluator = config.evalEvery > 0 ? await trainingEvaluator(recipe, engine, hooks.onNote) : undefined;
  let best = evaluator && bestOfLog(run.checkpoints, log.before, evaluator.label, firstStep);

  hooks.onStart?.({
    out: run.path,
    model: recipe.model.kind,
    parameters: recipe.layout.size,
    engine: engine.name,
    data: dataset.name,
    images: dataset.length,
    shape: dataset.shape,
    batchSize,
    step: firstStep,
    totalSteps,
  });

  // A failed save does not end the training, which may be saved later: it is said, and the last one's error is thrown.
  let saved = from?.path;
  const saver = createSaver({
    onSaved: (checkpoint) => {
      saved = checkpoint.path;
      hooks.onCheckpoint?.(checkpoint);
    },
    onFailed: (error, step) =>
      hooks.onNote?.(`step ${step} is not saved, training goes on until the next checkpoint is due: ${error.message}`),
  });
  const checkpoint = async (step: number, newBest?: Best): Promise<void> => {
    await saver.settle(); // before another copy of the state is made
    await saver.save({
      folder: run.checkpoints,
      fields: {
        step,
        configSha256,
        dataSha256,
        engine: { name: engine.name, info: { ...engine.info } },
        log: window.state(),
      },
      files: packState(recipe, await state.read(), scheduleState),
      logs: log.files,
      best: newBest,
      keep: config.keep,
    });
  };

  // -------------------------------------------------------------------------------------------------------------
  // The loop. `step` counts the optimizer steps done; the random numbers of a step are keyed by it.

  const secondsBefore = log.before.at(-1)?.seconds ?? 0;
  let status: TrainResult['status'] = 'finished';
  let samples: string | undefined;
  let step = firstStep;
  let trained = 0; // seconds in steps, since the session began
  let clock = { trained: 0, waited: 0, step }; // where the speed of the next log line is measured from
  let waited = 0;
  let next: Promise<Batch> | undefined = step < totalSteps ? fetchBatch(recipe, step) : undefined;

  try {
    while (step < totalSteps) {
      const stepBegan = performance.now();

      // Fetch data: asked for while the step before was computed.
      const batch: Batch = await next!;
      waited += (performance.now() - stepBegan) / 1000;

      // Draw timesteps.
      const draw = drawTimesteps(recipe, step, scheduleState);

      // Step. While the engine computes, the next batch is read.
      const scalars = { ...optimizer.scalars(step), ...ema.scalars(step) };
      const running = program.run(state, stepInputs(recipe, batch, draw, scalars));
      next = step + 1 < totalSteps ? fetchBatch(recipe, step + 1) : undefined;
      next?.catch(() => {}); // awaited above, unless this step fails first
      const { loss, losses, gradNorm } = await running;
      const lossValue = loss!.data[0]!;
      step++;
      trained += (performance.now() - stepBegan) / 1000;
      if (!Number.isFinite(lossValue)) {
        await saver.settle();
        throw diverged(step, lossValue, saved);
      }
      hooks.onStep?.(step, lossValue);

      // Let the curriculum learn from the losses, where it does.
      if (scheduleState !== undefined && curriculum.update !== undefined) {
        scheduleState = curriculum.update(scheduleState, draw.timesteps, losses!.data);
      }

      // Evaluate. Its numbers are in the log line of the step.
      const isEvaluated = evaluator !== undefined && isDue(step, config.evalEvery, totalSteps);
      const evaluated = isEvaluated
        ? await evaluator.measure(await sampler.images(state, config.evalSamples))
        : undefined;
      const value = evaluated?.[evaluator!.label];
      const isBest = value !== undefined && (best === undefined || value < best.value);
      if (isBest) best = { step, metric: evaluator!.label, value };

      // Log.
      window.add({
        loss: lossValue,
        gradNorm: gradNorm!.data[0]!,
        losses: losses!.data,
        timesteps: draw.timesteps,
      });
      const isLogged = step % config.logEvery === 0 || step === totalSteps || isEvaluated;
      // The first step of a session compiles: it says nothing about the speed of the others.
      if (step === firstStep + 1 && !isLogged) clock = { trained, waited, step };
      if (isLogged) {
        const seconds = trained - clock.trained;
        const line: MetricsRecord = {
          step,
          images: step * batchSize,
          ...window.take(),
          ...(evaluated !== undefined && { eval: evaluated }),
          lr: scalars['lr']!,
          beta1: scalars['beta1']!,
          emaDecay: ema.decay(step - 1),
          imagesPerSecond: rounded(((step - clock.step) * batchSize) / seconds),
          dataWait: rounded((waited - clock.waited) / seconds),
          seconds: rounded(secondsBefore + trained),
          peakMb: Math.round(peakMemoryMb()),
        };
        clock = { trained, waited, step };
        log.add(line);
        hooks.onLog?.(line, totalSteps);
      }

      // Sample.
      if (isDue(step, config.sampleEvery, totalSteps)) {
        samples = samplePath(run, step);
        const png = await sampler.grid(state);
        writeSynced(samples, png, true);
        log.addSample(step, png);
        hooks.onSample?.({ step, path: samples });
      }

      // Save. The state is copied here; what follows goes on beside the next steps.
      const isSaved = isDue(step, config.checkpointEvery, totalSteps) || isBest;
      if (isSaved) await checkpoint(step, isBest ? best : undefined);

      // Stop before the end where asked to. An engine may answer without ever waiting, so let signals and timers in.
      await eventLoopTurn();
      if (step === totalSteps) break;
      const isOver = config.timeBudget !== null && sessionSeconds() >= config.timeBudget;
      if (signal?.aborted === true || isOver) {
        status = signal?.aborted === true ? 'stopped' : 'timeBudget';
        if (!isSaved) await checkpoint(step);
        break;
      }
    }
    await saver.finish();
  } finally {
    await saver.dispose();
    await evaluator?.dispose();
    await sampler.dispose();
    state.dispose();
    await program.dispose();
  }

  const bestKept = readBest(run.checkpoints);
  return {
    status,
    step,
    totalSteps,
    seconds: rounded(sessionSeconds()),
    peakMb: Math.round(peakMemoryMb()),
    out: run.path,
    checkpoint: saved!,
    report: writeReport(run, record(recipe, engine, dataSha256), curriculum, scheduleState),
    ...(samples !== undefined && { samples }),
    ...(bestKept !== undefined && { best: bestKept }),
  };
}

/** Every `every` steps, and at the end. */
function isDue(step: number, every: number, totalSteps: number): boolean {
  return step === totalSteps || (every > 0 && step % every === 0);
}

/** Four digits are enough for what a clock measured. */
function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

function findCheckpoint(
  run: RunFolder,
  recipe: Recipe,
  engine: Engine,
  dataSha256: string,
  hooks: TrainHooks,
): Checkpoint | undefined {
  const { checkpoint, skipped } = latestValid(run.checkpoints);
  for (const { path, reason } of skipped) hooks.onNote?.(`skipped ${path}: ${reason}`);
  if (checkpoint === undefined) hooks.onNote?.(`no valid checkpoint in ${run.checkpoints}: starting from step 0`);
  else checkSameTraining(run, recipe, engine, checkpoint, dataSha256, hooks.onNote);
  return checkpoint;
}

/** Everything that a former run left in the folder; the lock and what others put there stay. */
function removeRun(run: RunFolder): void {
  for (const path of [run.config, run.metrics, run.report]) rmSync(path, { force: true });
  for (const path of [run.samples, run.checkpoints]) rmSync(path, { recursive: true, force: true });
  removeEventFiles(run.path);
  createRunFolder(run);
}

function diverged(step: number, loss: number, saved: string | undefined): UserError {
  const good = saved === undefined ? 'No checkpoint was written yet.' : `The last good checkpoint is ${saved}.`;
  return new UserError(
    `The loss became ${loss} at step ${step}. ${good} Lower the learning rate (--lr) or clip the gradient ` +
      '(--set optimizer.clip=1).',
  );
}
