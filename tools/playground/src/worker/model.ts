/** One network in training: its run in the browser's storage, and its sampler. */
import { createMemoryDataset, parseShard } from '@dm/data';
import { classCondition, createModelSampler, flatten, loadWeights, parseSafetensors } from '@dm/models';
import { type Arrays, DmError, type Engine, float32 } from '@dm/ops';
import {
  type BrowserDevice,
  type BrowserRun,
  type BrowserTraining,
  createBrowserTraining,
  createMemoryStore,
  exportRunZip,
  openOpfsStore,
  type OrtChoice,
  type RunStore,
} from '@dm/trainer/browser';
import { batchSource, type Config, createTrainingSetup, type StepOutcome, type TrainingSetup } from '@dm/trainer/core';
import type { PlaygroundConfig } from '../config.js';
import { type Drawing, formatDrawings, parseDrawings } from '../data/picture-history.js';
import type { DeviceProbe, DrawOptions, Frame, HistoryPoint, TrainingImages } from './messages.js';
import { trainingConfig } from './training-config.js';

type Sampler = ReturnType<typeof createModelSampler>;

/** Pictures per drawing. */
const pictures = 16;
/** File of the run, which its zip does not contain. */
const drawingsFile = 'pictures.bin';
/** All pictures of all networks start from the noises of this seed. */
export const samplingSeed = 1;

/** Another tab has the run, the storage is full, or the browser cannot write files: nothing is stored. */
const notStorable: ReadonlySet<string> = new Set(['RUN_LOCKED', 'DISK_FULL', 'WRITE_FAILED']);
/** The stored run is another training, by an earlier version of this page perhaps, or damaged. */
const notResumable: ReadonlySet<string> = new Set([
  'RESUME_MISMATCH',
  'DATA_MISMATCH',
  'CONFIG_INVALID',
  'CONFIG_UNKNOWN_FIELD',
  'CHECKPOINT_INVALID',
  'FILE_INVALID',
]);

export interface OpenOptions {
  readonly config: PlaygroundConfig;
  readonly data: TrainingImages;
  /** Index of the network. */
  readonly index: number;
  readonly ort: OrtChoice;
  readonly device: BrowserDevice | 'auto';
  /** Continue the stored run, if it is the same training; otherwise it is replaced. */
  readonly resume: boolean;
  /** Why the run is not to be stored; then what is stored is neither read nor changed. */
  readonly unstored?: string | undefined;
}

/** The images of the stored run, which the page does not have after a reload if they were drawn or dropped. */
export async function storedImages(): Promise<TrainingImages | undefined> {
  try {
    const store = await openOpfsStore(runName(0));
    const bytes = await store.read('data.shard');
    if (bytes === undefined) return undefined;
    const dataset = await parseShard(bytes, 'data.shard');
    const { name, shape, classes, length } = dataset;
    const { images, labels } = await dataset.read(Array.from({ length }, (_, i) => i));
    return {
      name,
      images: Uint8Array.from(images),
      shape: [shape[0], shape[1], shape[2]],
      classes,
      ...(labels && { labels: Uint8Array.from(labels) }),
    };
  } catch {
    return undefined; // damaged, or this browser stores nothing: the page asks for images
  }
}

function runName(index: number): string {
  return `playground-${index}`;
}

export class Model {
  /** The step of the newest checkpoint; 0 if there is none. */
  savedStep: number;

  private constructor(
    readonly run: BrowserRun,
    readonly setup: TrainingSetup,
    /** Whether a reload continues this run; otherwise the reason why not. */
    readonly isStored: true | string,
    /** What the user should know about how the run was opened. */
    readonly notes: readonly string[],
    private readonly training: BrowserTraining,
    private readonly store: RunStore,
  ) {
    this.savedStep = run.step;
  }

  static async open({ config, data, device, index, ort, resume, unstored }: OpenOptions): Promise<Model> {
    const dataset = createMemoryDataset({ ...data, ...(data.labels && { labels: data.labels }) });
    const start = async (
      store: RunStore,
      overwrite: boolean,
      isStored: true | string,
      notes: string[] = [],
    ): Promise<Model> => {
      const given = trainingConfig(config, data, index);
      let isOpen = false;
      const onNote = (text: string): void => void (isOpen || notes.push(text));
      const training = createBrowserTraining(given, { store, dataset, ort, device, overwrite, onNote });
      const run = await training.open();
      isOpen = true;
      const setup = createTrainingSetup(run.config, batchSource(dataset), true);
      return new Model(run, setup, isStored, notes, training, store);
    };
    const startUnstored = (reason: string) => start(createMemoryStore(runName(index)), true, reason);
    if (unstored !== undefined) return startUnstored(unstored);
    let store: RunStore;
    try {
      store = await openOpfsStore(runName(index));
    } catch (error) {
      return startUnstored(messageOf(error));
    }
    try {
      return await start(store, !resume, true);
    } catch (error) {
      const code = error instanceof DmError ? error.code : '';
      if (notStorable.has(code)) return startUnstored(messageOf(error));
      // Other errors may pass: the stored run is not overwritten because of them.
      if (!resume || !notResumable.has(code)) throw error;
      return start(store, true, true, [
        `The stored run could not be continued, so training starts again: ${messageOf(error)}`,
      ]);
    }
  }

  /** Frees the run, so that it can be opened again. */
  close(): Promise<void> {
    return this.training.abort();
  }

  /** Makes a step; undefined if all are done. */
  step(): Promise<StepOutcome | undefined> {
    return this.training.step();
  }

  /** Saves a checkpoint, unless this step is saved. */
  async save(): Promise<void> {
    ({ step: this.savedStep } = await this.training.checkpoint());
  }

  /** Of a closed run, so that it continues from an earlier step. */
  async removeCheckpointsAfter(step: number): Promise<void> {
    for (const { path } of await this.store.list()) {
      const [, number] = /^checkpoints\/step-(\d+)\//.exec(path) ?? [];
      if (number !== undefined && Number(number) > step) await this.store.remove(path);
    }
  }

  /** The averaged weights as a safetensors file. */
  weightsFile(): Promise<Uint8Array<ArrayBuffer>> {
    return this.training.weights();
  }

  /** The run as a zip archive, with its data and the checkpoints. */
  zip(): Promise<Blob> {
    return exportRunZip(this.store);
  }

  /** The state that samplers use: the averaged weights. */
  async averagedWeights(): Promise<Arrays> {
    const { model, layout, bufferLayout } = this.setup;
    const weights = loadWeights(model, parseSafetensors(await this.weightsFile()).tensors);
    return {
      ema: float32(flatten(weights, layout)),
      ...(bufferLayout.size > 0 && { buffers: float32(flatten(weights, bufferLayout)) }),
    };
  }

  /** What was measured when the run began with the device `auto`. */
  async deviceProbe(): Promise<DeviceProbe | undefined> {
    const bytes = await this.store.read('config.json');
    const saved = JSON.parse(new TextDecoder().decode(bytes)) as Config;
    return saved.recorded?.deviceProbe as DeviceProbe | undefined;
  }

  /** The losses that earlier sessions logged. */
  async history(): Promise<HistoryPoint[]> {
    const bytes = await this.store.read('metrics.jsonl');
    const lines = bytes === undefined ? [] : new TextDecoder().decode(bytes).split('\n').slice(0, -1);
    return lines
      .flatMap((line) => parsedLine(line) ?? [])
      .filter(({ step }) => step <= this.run.step)
      .map(({ step, loss, seconds }) => ({ step, loss, seconds }));
  }

  /** Pictures of earlier steps, which `storeDrawings` has written. */
  async drawings(): Promise<readonly Drawing[]> {
    const bytes = await this.store.read(drawingsFile);
    if (bytes === undefined) return [];
    const size = pictures * this.setup.batches.shape.reduce((a, b) => a * b);
    return parseDrawings(bytes, size).filter(({ step }) => step <= this.run.step);
  }

  /** Stores them with the run. Without space, a reload has fewer. */
  async storeDrawings(drawings: readonly Drawing[]): Promise<void> {
    await this.store.write(drawingsFile, formatDrawings(drawings)).catch(() => {});
  }

  /** Draws the pictures: [16, H, W, C]. */
  async drawPictures(sampler: Sampler): Promise<Float32Array> {
    const { data } = await sampler.sample({
      state: await this.averagedWeights(),
      seed: samplingSeed,
      imageIndices: Array.from({ length: pictures }, (_, i) => i),
      batchSize: pictures,
      ...classCondition(this.setup, pictures),
    });
    return data;
  }

  /** Draws one image and returns each step. */
  async drawFrames(engine: Engine, options: DrawOptions): Promise<Frame[]> {
    const { setup } = this;
    const { path, clipping, guidanceInterval } = setup.config.sampler;
    const sampler = createSampler(engine, setup, {
      type: options.sampler,
      steps: options.steps,
      guidance: setup.nullClass === undefined ? 1 : options.guidance,
      guidanceInterval,
      path,
      clipping,
    });
    const frames: Frame[] = [];
    try {
      await sampler.sample({
        state: await this.averagedWeights(),
        seed: samplingSeed,
        imageIndices: [options.noise],
        batchSize: 1,
        ...classCondition(setup, 1, [options.label]),
        onStep: ({ level, x, x0 }) => void frames.push({ t: level.t, x: x.data.slice(), x0: x0.data.slice() }),
      });
    } finally {
      await sampler.dispose();
    }
    return frames;
  }
}

/** A line of the log; undefined if it is damaged. */
function parsedLine(line: string): HistoryPoint | undefined {
  try {
    return JSON.parse(line) as HistoryPoint;
  } catch {
    return undefined;
  }
}

export function createSampler(engine: Engine, setup: TrainingSetup, sampler: Config['sampler']): Sampler {
  const { model, layout, bufferLayout, config, noiseSchedule: schedule } = setup;
  const { prediction } = config.diffusion;
  return createModelSampler({ engine, model, layout, bufferLayout, prediction, schedule, sampler, weights: 'ema' });
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
