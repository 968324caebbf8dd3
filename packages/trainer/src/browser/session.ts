/** A session of a run in a browser: what it starts from, its steps, and the work between them. */
import { formatShard, parseShard, type Dataset } from '@dm/data';
import { classCondition, samplingBatchSize } from '@dm/models';
import type { ImageSampler } from '@dm/core';
import type { Arrays, Engine } from '@dm/ops';
import type { Checkpoint } from '../checkpoint/content.js';
import { packState, unpackState } from '../checkpoint/pack-state.js';
import { checkpointPolicy, isDue, shouldSave } from '../checkpoint/policy.js';
import { differences } from '../config/differences.js';
import type { Config, PartialConfig } from '../config/schema.js';
import { trainingText } from '../config/training-text.js';
import { messageOf, UserError } from '../errors.js';
import { dataFile } from '../interchange/run-zip.js';
import { createDenoiserSampler, labelsOf } from '../sampling/denoiser-sampler.js';
import { StepLog } from '../session/step-log.js';
import { batchSource } from '../setup/batch-source.js';
import { record } from '../setup/record.js';
import { emaFile, optimizerFile, startingState } from '../setup/state-table.js';
import { createTrainingSetup, type TrainingSetup } from '../setup/training-setup.js';
import { compileStep, type CompiledStep } from '../step/compiled-step.js';
import { NonFiniteGuard } from '../step/non-finite-guard.js';
import { trainingSteps, type StepOutcome } from '../step/training-loop.js';
import { newConfig, resumedConfig } from './browser-config.js';
import { joined, latestCheckpoint, pruneCheckpoints, saveCheckpoint, checkpointPath } from './checkpoints.js';
import { navigatorOf } from './navigator.js';
import { checkQuota, requestPersistence, type StorageQuota } from './quota.js';
import { fasterEngine, openBrowserEngine, type BrowserDevice, type ChosenEngine } from './open-engine.js';
import { bestStep, MetricsFile, readConfig, writeConfig } from './run-files.js';
import type { BrowserRun, BrowserSamples, BrowserTrainingOptions, SavedCheckpoint } from './run-options.js';
import { writeFile, type RunStore } from './run-store.js';
import { sha256 } from './sha256.js';

/**
 * Locks the run in the store, and begins or continues it. If that fails, nothing in the store has changed; a run to be
 * overwritten is removed once the data of the new one are stored.
 */
export async function openSession(given: PartialConfig, options: BrowserTrainingOptions): Promise<Session> {
  const { store } = options;
  const unlock = await store.lock();
  let engine: Engine | undefined;
  try {
    const saved = options.overwrite === true ? undefined : await readConfig(store);
    const chosen = saved === undefined ? newConfig(store.name, given) : resumedConfig(store.name, saved, given);
    const dataset = options.dataset ?? (await storedData(store));
    const setup = createTrainingSetup(chosen, batchSource(dataset), saved !== undefined);
    const dataSha256 = await dataset.hash();
    const storage = await requestPersistence();
    if (saved === undefined) checkQuota(setup, storage, await removedBytes(store));
    else noteQuota(setup, storage, options);
    const trainingSha256 = await sha256(trainingText(setup.config));
    const resumedFrom = saved && (await findCheckpoint(store, dataSha256, trainingSha256, options));

    const opened = await chooseEngine(setup, saved !== undefined, options);
    ({ engine } = opened);
    if (resumedFrom !== undefined) noteOtherEngine(resumedFrom, engine, options);
    const { arrays, curriculumState } = resumedFrom
      ? unpackState(setup, resumedFrom)
      : { arrays: startingState(setup) };
    const { step = 0, log } = resumedFrom?.manifest ?? {};
    const compiledStep = await compileStep(setup, engine, arrays, log?.['gradScaler']);
    // A run without a checkpoint may have been begun with other data.
    const isNew = saved === undefined || (resumedFrom === undefined && options.dataset !== undefined);
    if (isNew) await begin(store, setup, dataset, dataSha256, opened);
    const metrics = await MetricsFile.open(store, step);
    const session = new Session({
      options,
      setup,
      engine,
      device: opened.device,
      storage,
      compiledStep,
      metrics,
      firstStep: step,
      log,
      curriculumState,
      hashes: { configSha256: trainingSha256, dataSha256 },
      unlock,
    });
    options.onStart?.(session.describe());
    return session;
  } catch (error) {
    await engine?.dispose();
    unlock();
    throw error;
  }
}

async function storedData(store: RunStore): Promise<Dataset> {
  const bytes = await store.read(dataFile);
  if (bytes !== undefined) return parseShard(bytes, dataFile);
  throw new UserError(`The run ${store.name} has no data yet: give it a dataset.`, { code: 'DATA_MISMATCH' });
}

/** Reports that no checkpoint fits: a run that is there already can still be read, and sampled. */
function noteQuota(setup: TrainingSetup, storage: StorageQuota, { onNote }: BrowserTrainingOptions): void {
  try {
    checkQuota(setup, storage);
  } catch (error) {
    onNote?.(messageOf(error));
  }
}

/** Bytes of what `begin` removes. */
async function removedBytes(store: RunStore): Promise<number> {
  return (await store.list()).reduce((sum, { path, bytes }) => (path === dataFile ? sum : sum + bytes), 0);
}

/** Writes the first files of a run, and removes what else the store has. */
async function begin(
  store: RunStore,
  setup: TrainingSetup,
  dataset: Dataset,
  dataSha256: string,
  { engine, device, deviceProbe }: ChosenEngine,
): Promise<void> {
  // The data first, since they may not fit.
  await writeFile(store, dataFile, await formatShard(dataset));
  const names = new Set((await store.list()).map(({ path }) => path.split('/')[0]!));
  for (const name of names) if (name !== dataFile) await store.remove(name);
  const config: Config = { ...setup.config, device };
  const recorded = record({ config, layout: setup.layout, dataset }, engine, dataSha256, environment());
  await writeConfig(store, {
    ...recorded,
    recorded: { ...recorded.recorded, ...(deviceProbe !== undefined && { deviceProbe }) },
  });
}

function environment(): Record<string, string | number> {
  const { userAgent, hardwareConcurrency } = navigatorOf<{
    readonly userAgent: string;
    readonly hardwareConcurrency: number;
  }>();
  return { browser: userAgent ?? 'unknown', cores: hardwareConcurrency ?? 1 };
}

/**
 * The newest valid checkpoint; undefined if the run has not saved one yet. Others are reported.
 *
 * @throws {UserError} `RESUME_MISMATCH` if it is of another training, `CHECKPOINT_INVALID` if all are damaged
 */
async function findCheckpoint(
  store: RunStore,
  dataSha256: string,
  configSha256: string,
  { onNote }: BrowserTrainingOptions,
): Promise<Checkpoint | undefined> {
  const { checkpoint, skipped } = await latestCheckpoint(store);
  if (checkpoint === undefined && skipped.some(({ isIncomplete }) => !isIncomplete)) {
    throw new UserError(
      `No checkpoint of the run ${store.name} can be read; nothing was changed:\n` +
        `${skipped.map(({ text }) => text).join('\n')}\nBegin the run again with overwrite, or another one.`,
      { code: 'CHECKPOINT_INVALID' },
    );
  }
  for (const { text } of skipped) onNote?.(`skipped ${text}`);
  if (checkpoint === undefined) {
    onNote?.(`no valid checkpoint of the run ${store.name}: starting from step 0`);
    return undefined;
  }
  const { manifest, files, path } = checkpoint;
  const mismatch = (what: string) =>
    new UserError(`${path} ${what}. Start a new run with another name, or with overwrite.`, {
      code: 'RESUME_MISMATCH',
    });
  if (!files.has(optimizerFile)) throw mismatch('contains only imported weights, which cannot be resumed');
  if (manifest.dataSha256 !== dataSha256) throw mismatch('was trained on other data');
  if (manifest.configSha256 !== configSha256) throw mismatch('was trained with another configuration');
  return checkpoint;
}

/** The engine of a new run, or of one that continues, whose device was chosen when it began. */
async function chooseEngine(
  setup: TrainingSetup,
  isResumed: boolean,
  { device, ort, onNote }: BrowserTrainingOptions,
): Promise<ChosenEngine> {
  const { threads, device: configured, graphCapture, tf32 } = setup.config;
  if (graphCapture || tf32) {
    throw new UserError('graphCapture and tf32 do not work in a browser: set both to false.', {
      code: 'ENGINE_UNSUITABLE',
    });
  }
  const options = { ort, threads };
  if (device === 'auto' && !isResumed) return fasterEngine(setup, options, onNote);
  // A run of Node may have been on a device that browsers do not have.
  const recorded: BrowserDevice = configured === 'webgpu' ? 'webgpu' : 'cpu';
  const chosen = device === undefined || device === 'auto' ? recorded : device;
  return { device: chosen, engine: await openBrowserEngine(chosen, options) };
}

function noteOtherEngine({ manifest }: Checkpoint, engine: Engine, { onNote }: BrowserTrainingOptions): void {
  const changes = differences(manifest.engine, { name: engine.name, info: { ...engine.info } });
  if (changes.length === 0) return;
  onNote?.(`resumed on a different engine (${changes.join('; ')}): results may differ in the last bits`);
}

interface SessionParts {
  readonly options: BrowserTrainingOptions;
  readonly setup: TrainingSetup;
  readonly engine: Engine;
  readonly device: BrowserDevice;
  readonly storage: StorageQuota;
  readonly compiledStep: CompiledStep;
  readonly metrics: MetricsFile;
  /** Steps done before the session. */
  readonly firstStep: number;
  /** `log` of the manifest that it continues from. */
  readonly log: Checkpoint['manifest']['log'] | undefined;
  readonly curriculumState: ReturnType<typeof unpackState>['curriculumState'];
  readonly hashes: { readonly configSha256: string; readonly dataSha256: string };
  readonly unlock: () => void;
}

export class Session {
  readonly setup: TrainingSetup;
  /** Optimizer steps done. */
  step: number;
  private readonly steps: AsyncGenerator<StepOutcome, void, undefined>;
  private readonly guard: NonFiniteGuard;
  private readonly stepLog: StepLog;
  private curriculumState: SessionParts['curriculumState'];
  private sampler: ImageSampler | undefined;
  /** The last saved step, and the time of the last save by `performance.now()`. */
  private savedStep: number | undefined;
  private savedAt = performance.now();
  /** The error of the last save, if it failed. */
  private saveError: unknown;
  /** What a step has thrown: then the state is not worth saving. */
  private failure: { readonly error: unknown } | undefined;

  constructor(private readonly parts: SessionParts) {
    const { setup, compiledStep, firstStep, log, curriculumState, metrics } = parts;
    this.setup = setup;
    this.step = firstStep;
    this.savedStep = log === undefined ? undefined : firstStep;
    this.curriculumState = curriculumState ?? setup.curriculum.initialState?.();
    this.guard = new NonFiniteGuard(setup.config.maxSkippedSteps, log?.['skipped']);
    this.stepLog = new StepLog(setup, log, metrics.secondsBefore);
    this.steps = trainingSteps(setup, compiledStep, {
      firstStep,
      curriculumState: this.curriculumState,
      guard: this.guard,
      lastGoodCheckpoint: async () => (this.savedStep === undefined ? undefined : checkpointPath(this.savedStep)),
    });
  }

  describe(): BrowserRun {
    const { step, setup } = this;
    const { options, engine, device, storage } = this.parts;
    return {
      name: options.store.name,
      step,
      totalSteps: setup.config.totalSteps,
      parameters: setup.layout.size,
      device,
      engine: engine.info,
      storage,
      config: setup.config,
    };
  }

  /** Makes a step, and whatever is due after it; undefined if all steps are done. Once one has failed, all do. */
  async advance(): Promise<StepOutcome | undefined> {
    const { options } = this.parts;
    if (this.failure !== undefined) throw this.failure.error;
    const { value: outcome } = await this.steps.next().catch((error: unknown) => {
      this.failure = { error };
      throw error;
    });
    if (outcome === undefined) return undefined;
    this.step = outcome.step;
    this.curriculumState = outcome.curriculumState;
    for (const note of [this.stepLog.addStep(outcome), outcome.skipped]) if (note !== undefined) options.onNote?.(note);
    options.onStep?.(outcome);
    this.log();
    if (this.isDue(this.setup.config.sampleEvery)) options.onSamples?.(await this.sample());
    if (this.isSaveDue()) await this.trySave();
    return outcome;
  }

  /** Images of the averaged weights, from the noise of the run's seed. */
  async sample(count = this.setup.config.samples): Promise<BrowserSamples> {
    const { setup, step } = this;
    const { engine, compiledStep } = this.parts;
    this.sampler ??= createDenoiserSampler(setup, engine, 'ema');
    const imageIndices = Array.from({ length: count }, (_, i) => i);
    const { data } = await this.sampler.sample({
      state: compiledStep.state,
      seed: setup.config.seed,
      imageIndices,
      batchSize: samplingBatchSize,
      ...classCondition(setup, count, labelsOf(setup, imageIndices)),
    });
    return { step, data, shape: [count, ...setup.model.inputShape] };
  }

  /** The averaged weights as a safetensors file. */
  async weights(): Promise<Uint8Array<ArrayBuffer>> {
    const { setup, curriculumState } = this;
    return joined(packState(setup, await this.parts.compiledStep.state.read(), curriculumState)[emaFile]!);
  }

  /** Saves a checkpoint, unless this step is saved. */
  async save(): Promise<SavedCheckpoint> {
    const { step, setup, curriculumState } = this;
    const { options, engine, compiledStep, metrics, hashes, firstStep } = this.parts;
    const { store } = options;
    const path = checkpointPath(step);
    const { gradScaler } = compiledStep;
    if (this.savedStep === step) return { step, path };
    const arrays: Arrays = await compiledStep.state.read();
    // The log first, so that no checkpoint is ahead of it; but the state is saved even if its log is not.
    await metrics.save().catch((error: unknown) => options.onNote?.(messageOf(error)));
    await saveCheckpoint(
      store,
      {
        step,
        ...hashes,
        engine: { name: engine.name, info: { ...engine.info } },
        log: {
          ...this.stepLog.state(),
          skipped: this.guard.state(),
          ...(gradScaler !== undefined && { gradScaler: gradScaler.state() }),
        },
      },
      packState(setup, arrays, curriculumState),
    );
    this.savedStep = step;
    this.saveError = undefined;
    const kept = [step, firstStep, await bestStep(store)].filter((each) => each !== undefined);
    await pruneCheckpoints(store, checkpointPolicy(setup.config).retention, kept).catch((error: unknown) =>
      options.onNote?.(`step ${step} was saved, but not all earlier checkpoints could be removed: ${messageOf(error)}`),
    );
    options.onCheckpoint?.({ step, path });
    return { step, path };
  }

  /**
   * Saves the last step.
   *
   * @throws {UserError} if that fails
   */
  async finish(): Promise<void> {
    if (this.failure !== undefined || (this.step === this.parts.firstStep && this.savedStep === undefined)) return;
    await this.save();
    if (this.saveError !== undefined) throw this.saveError;
  }

  /** Frees the engine and unlocks the run. */
  async dispose(): Promise<void> {
    const { engine, compiledStep, unlock } = this.parts;
    try {
      await this.steps.return();
      await this.sampler?.dispose();
      await compiledStep.dispose();
      await engine.dispose();
    } finally {
      unlock();
    }
  }

  private log(): void {
    const { step } = this;
    const { options, metrics, firstStep } = this.parts;
    if (!this.isDue(this.setup.config.logEvery) || this.stepLog.isEmpty) {
      if (step === firstStep + 1) this.stepLog.restart();
      return;
    }
    // A browser does not tell the memory of a worker.
    const line = this.stepLog.take(step, { measured: {}, skipped: this.guard.total, ranks: {}, peakMb: NaN });
    metrics.add(line);
    options.onLog?.(line);
  }

  private isDue(every: number): boolean {
    return isDue(this.step, every, this.setup.config.totalSteps);
  }

  private isSaveDue(): boolean {
    const minutesSinceSave = (performance.now() - this.savedAt) / 60_000;
    const { isSkipping } = this.guard;
    const context = { step: this.step, minutesSinceSave, isBest: false, isSkipping };
    return shouldSave(checkpointPolicy(this.setup.config).save, context);
  }

  /** A failed save is reported and training continues, since a later one may succeed; `finish` throws the last error. */
  private async trySave(): Promise<void> {
    this.savedAt = performance.now();
    try {
      await this.save();
    } catch (error) {
      this.saveError = error;
      this.parts.options.onNote?.(
        `step ${this.step} could not be saved; training continues until the next checkpoint is due: ${messageOf(error)}`,
      );
    }
  }
}
