/**
 * Sampling from a checkpoint.
 *
 *   import { generateSamples, writeImages } from '@dm/trainer';
 *   await writeImages('digits.png', await generateSamples({ run: 'runs/digits', count: 16 }));
 */
import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import { readNpy } from '@dm/data';
import { classCondition, samplingBatchSize } from '@dm/models';
import { float32, type NdArray } from '@dm/ops';
import { weightsFile, weightsName } from '../setup/averages.js';
import type { Checkpoint } from '../checkpoint/content.js';
import { runPathOfCheckpoint } from '../checkpoint/layout.js';
import { resolveCheckpoint, type CheckpointChoice } from '../checkpoint/resolve.js';
import type { Config, PartialConfig } from '../config/schema.js';
import { engineOptions, openEngine } from '../setup/engine.js';
import { UserError } from '../errors.js';
import { checkLatentOutput, type Images } from '../files/images.js';
import { finishedSamples } from '../setup/latents.js';
import type { Denoiser } from '../setup/denoiser.js';
import { openDenoiser } from '../setup/open-denoiser.js';
import { inPhase, type OnPhase } from '../setup/phases.js';
import { resolveConfig, type Layer } from '../config/resolve.js';
import { savedConfig } from '../config/saved-config.js';
import { runFolder } from '../run/run-folder.js';
import {
  chosenClasses,
  classCounts,
  classNames,
  imageLabels,
  type ClassChoice,
  type ClassCount,
} from './class-labels.js';
import { openDecoder, type LatentDecoder } from './decoder.js';
import { createDenoiserSampler } from './denoiser-sampler.js';
import { guidanceNote } from './guidance-note.js';
import { readWeights } from '../checkpoint/pack-state.js';
import { fileOf } from '../setup/state-table.js';

export interface GenerateSamplesOptions extends CheckpointChoice {
  /** Number of images. Default: 64, or as many as `noise` has. */
  readonly count?: number;
  /** Path of a .npy file with the initial noise, float32 [N, H, W, C], standard normal. Default: noise from `seed`. */
  readonly noise?: string;
  /** Number of sampling steps and name of the sampler. Default: the run's. */
  readonly steps?: number;
  readonly sampler?: string;
  /**
   * Layers over the run's configuration for any other option of its sampler, each with a source that errors name:
   * `{ source: 'mine', value: { sampler: { path: { spacing: 'trailing' } } } }`. They may set nothing else.
   */
  readonly overrides?: readonly Layer[];
  /** Classifier-free guidance scale, and the range of sigma / alpha in which it is applied. Default: the run's. */
  readonly guidance?: number;
  readonly guidanceInterval?: readonly [low: number, high: number];
  /** `ema` (default), the name of an entry in `extraEmas`, or `raw` for the weights without averaging. */
  readonly weights?: string;
  /**
   * Classes of a conditional model, by number or name: `2`, `'cats,dogs'`, `['cats', 'dogs']`. Images cycle through
   * these classes. Default: all classes.
   */
  readonly label?: ClassChoice;
  /** Number of images of each of these classes, instead of `count`. */
  readonly perClass?: number;
  /** Random seed of the noise. Default: 0. Image i of a seed does not depend on `count`. */
  readonly seed?: number;
  /** Compute engine. Default: the run's. */
  readonly engine?: string;
  /** Device of the engine `onnx`. Default: the run's, or `cpu` if `engine` is given. */
  readonly device?: string;
  readonly threads?: number;
  /**
   * Path of an .onnx file that decodes the samples of a run on latents to images: input `latent_sample` float32
   * [B, C, h, w], output `sample` float32 [B, 3, H, W] in [-1, 1], as Optimum exports decoders. It runs on the CPU.
   * Default: latents are returned.
   */
  readonly decoder?: string;
  /**
   * Factor by which the latents of the data were multiplied before training, such as diffusers' `scaling_factor` 0.18215:
   * samples are divided by it before they are decoded. The run's own `latents.scale` is always undone. Default: 1.
   */
  readonly decoderScale?: number;
  /** File that the samples will be written to, checked before any computation: latents cannot be written as PNG. */
  readonly out?: string;
  /** Receives messages about skipped checkpoints, and about options that do not go together. */
  readonly onNote?: (text: string) => void;
  /** Receives the start of the engine and compilations. */
  readonly onPhase?: OnPhase;
  /** Called after each sampling step of each batch, with the steps done and the number of steps in all batches. */
  readonly onSamplingStep?: (done: number, of: number) => void;
}

export interface GeneratedSamples extends Images {
  /** Path of the checkpoint that the weights are from. */
  readonly checkpoint: string;
  /** Images of each class that was sampled; empty for an unconditional model. */
  readonly classes: readonly ClassCount[];
}

/**
 * Generates images.
 *
 * @throws {UserError} if options are invalid or do not fit the model, before any computation
 */
export async function generateSamples(options: GenerateSamplesOptions): Promise<GeneratedSamples> {
  const checkpoint = readSelectedCheckpoint(options);
  const config = samplingConfig(checkpoint, options);
  const note = guidanceNote(config.sampler);
  if (note !== undefined) options.onNote?.(note);
  const { weights, seed = 0, label, perClass, out, onPhase, onSamplingStep } = options;
  checkIntegers(options);
  checkDecoderOptions(config, options);
  if (config.latents !== null && options.decoder === undefined && out !== undefined) checkLatentOutput(out);
  const file = weightsFile(config, weights);
  const denoiser = openDenoiser(config, options.count);
  const initialNoise = options.noise === undefined ? undefined : await readNoise(options.noise, denoiser);
  const chosen = label === undefined ? undefined : chosenClasses(denoiser, label);
  const asked = perClass === undefined ? options.count : perClassCount(perClass, denoiser, chosen, options.count);
  const count = countOf(asked, initialNoise);
  const labels = imageLabels(denoiser, count, chosen);
  const condition = classCondition(denoiser, count, labels);
  const state = readWeights(denoiser, checkpoint, file);

  const sampled = async (): Promise<Images> => {
    const engine = await openEngine(config.engine, { ...engineOptions(config), onPhase });
    try {
      const sampler = createDenoiserSampler(denoiser, engine, 'params', { frozenState: true });
      const { data } = await inPhase(onPhase, 'sampling', () =>
        sampler.sample({
          state,
          seed,
          n: count,
          batchSize: samplingBatchSize,
          ...condition,
          onStep: async ({ first, step, steps }) => {
            const batches = Math.ceil(count / samplingBatchSize);
            onSamplingStep?.(Math.floor(first / samplingBatchSize) * steps + step, batches * steps);
            // An engine may run steps without ever returning to the event loop, which signals and timers need.
            await eventLoopTurn();
          },
          ...(initialNoise !== undefined && { initialNoise }),
        }),
      );
      await sampler.dispose();
      return finishedSamples(config, { images: data, shape: [count, ...denoiser.model.inputShape] });
    } finally {
      await engine.dispose();
    }
  };

  const decoder = await openRunDecoder(denoiser, options);
  try {
    const made = await sampled();
    return {
      ...(decoder === undefined ? made : await inPhase(onPhase, 'decoding', () => decoder.decode(made))),
      ...(labels !== undefined && { labels }),
      checkpoint: checkpoint.path,
      classes: labels === undefined ? [] : classCounts(labels, classNames(config, denoiser.classes)),
    };
  } finally {
    decoder?.dispose();
  }
}

/**
 * @throws {UserError} if the number of images or the seed is not an integer, or out of range
 */
function checkIntegers({ count = 1, seed = 0 }: GenerateSamplesOptions): void {
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new UserError(`--count must be an integer of at least 1, got ${count}.`);
  }
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new UserError(`--seed must be an integer of at least 0, got ${seed}.`);
  }
}

/**
 * @throws {UserError} if a decoder is given for a run on images, or its scale is invalid or given without it
 */
function checkDecoderOptions({ latents }: Config, { decoder, decoderScale }: GenerateSamplesOptions): void {
  if (decoder !== undefined && latents === null) {
    throw new UserError('--decoder: the samples of this run are images, not latents. Leave it out.');
  }
  if (decoderScale === undefined) return;
  if (decoder === undefined) throw new UserError('--decoder-scale is for latents to decode. Give --decoder, too.');
  if (!Number.isFinite(decoderScale) || decoderScale <= 0) {
    throw new UserError(`--decoder-scale must be a number above 0, such as 0.18215, got ${decoderScale}.`);
  }
}

async function openRunDecoder(
  { model, config }: Denoiser,
  { decoder, decoderScale = 1, onPhase }: GenerateSamplesOptions,
): Promise<LatentDecoder | undefined> {
  if (decoder === undefined) return undefined;
  const options = {
    shape: model.inputShape,
    scale: decoderScale,
    ...(config.threads !== null && { threads: config.threads }),
  };
  return inPhase(onPhase, `opening decoder ${decoder}`, () => openDecoder(decoder, options));
}

/** The checkpoint that the options select. Only its weights file is read and verified. */
export function readSelectedCheckpoint({
  run,
  checkpoint,
  best = false,
  weights,
  onNote,
}: GenerateSamplesOptions): Checkpoint {
  if ((run === undefined) === (checkpoint === undefined)) {
    throw new UserError('Give the model to sample from: --run <run folder> or --checkpoint <checkpoint folder>.');
  }
  return resolveCheckpoint(
    { best, ...(run !== undefined && { run }), ...(checkpoint !== undefined && { checkpoint }) },
    [fileOf(weightsName(weights))],
    onNote,
  );
}

/** The run's configuration, overridden by the given options. */
export function samplingConfig(checkpoint: Checkpoint, options: GenerateSamplesOptions): Config {
  const layer = (source: string, value: PartialConfig): Layer => ({ source, value });
  const { steps, sampler, overrides = [], guidance, guidanceInterval } = options;
  for (const { source, value } of overrides) {
    const other = Object.keys(value).find((key) => key !== 'sampler');
    if (other !== undefined) {
      throw new UserError(`${source} sets ${other}; only options of the sampler can be set, such as sampler.steps=20.`);
    }
  }
  return resolveConfig([
    savedConfig(runFolder(runPathOfCheckpoint(checkpoint.path))),
    ...(steps === undefined ? [] : [layer('--steps', { sampler: { steps } })]),
    ...(sampler === undefined ? [] : [layer('--sampler', { sampler: { type: sampler as Config['sampler']['type'] } })]),
    ...overrides,
    ...(guidance === undefined ? [] : [layer('--guidance', { sampler: { guidance } })]),
    ...(guidanceInterval === undefined
      ? []
      : [layer('--guidance-interval', { sampler: { guidanceInterval: [...guidanceInterval] } })]),
    ...engineLayers(options),
  ]);
}

/** The layers that replace a run's engine. Threads and options of a device are not taken over by another engine or device. */
export function engineLayers({
  engine,
  device,
  threads,
}: {
  readonly engine?: string | undefined;
  readonly device?: string | undefined;
  readonly threads?: number | null | undefined;
}): Layer[] {
  const ofDevice = { graphCapture: false, tf32: false } as const;
  const layers: [source: string, given: unknown, value: PartialConfig][] = [
    ['--engine', engine, { engine: engine as Config['engine'], threads: null, device: 'cpu', ...ofDevice }],
    ['--device', device, { device: device as Config['device'], ...ofDevice }],
    ['--threads', threads, { threads: threads ?? null }],
  ];
  return layers.filter(([, given]) => given !== undefined).map(([source, , value]) => ({ source, value }));
}

function countOf(count: number | undefined, noise: NdArray | undefined): number {
  if (count === undefined) return noise?.shape[0] ?? 64;
  if (noise !== undefined && noise.shape[0] !== count) {
    throw new UserError(`--count is ${count}, but the noise is for ${noise.shape[0]} images. Omit --count.`);
  }
  return count;
}

/** Images in all, for so many of each class. */
function perClassCount(
  perClass: number,
  { classes }: Denoiser,
  chosen: readonly number[] | undefined,
  count: number | undefined,
): number {
  if (count !== undefined) throw new UserError('--count and --per-class both set the number of images. Leave one out.');
  if (!Number.isInteger(perClass) || perClass < 1) {
    throw new UserError(`--per-class must be a whole number of at least 1, got ${perClass}.`);
  }
  if (classes === 0) throw new UserError('--per-class: the model is unconditional. Use --count.');
  return perClass * (chosen?.length ?? classes);
}

async function readNoise(path: string, { model }: Denoiser): Promise<NdArray> {
  const { shape, data } = await readNpy(path);
  if (
    !(data instanceof Float32Array) ||
    shape.slice(1).join('x') !== model.inputShape.join('x') ||
    shape.length !== 4
  ) {
    throw new UserError(
      `${path} is ${data.constructor.name} [${shape.join(', ')}]; the noise must be float32 ` +
        `[N, ${model.inputShape.join(', ')}] (NHWC).`,
      { code: 'FILE_INVALID' },
    );
  }
  return float32(data, shape);
}
