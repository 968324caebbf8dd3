import type { ImageSampler, SamplingProgress } from '@dm/core';
import { checkInteger, checkOptions, type Engine, float32, type Float32NdArray, type StateHandle } from '@dm/ops';
import { ConfigError } from './config-error.js';
import { flatten } from './initialize.js';
import { bufferLayout, parameterLayout } from './layout.js';
import { loadWeights } from './load-weights.js';
import type { Model } from './model.js';
import { type ModelClass, modelClasses } from './model-classes.js';
import { classCondition } from './pipeline/class-condition.js';
import { modelConfigFile } from './pipeline/components.js';
import { type LatentScaling, mostSteps, type SamplingConfig } from './pipeline/diffusion-config.js';
import { type FileSource, openSource } from './pipeline/file-source.js';
import { createModelSampler, samplingBatchSize } from './pipeline/model-sampler.js';
import { type Pipeline, readFields, readPipeline, readWeights, scheduleOf } from './pipeline/read-pipeline.js';
import { FileError } from '@dm/files';

/** A model and its parameters, in memory layout. */
export interface LoadedModel {
  readonly model: Model;
  readonly params: Record<string, Float32NdArray>;
}

export interface LoadOptions {
  /** Largest size of the parameters as float32, in bytes. Larger models are refused before weights are read. Default 4 GiB. */
  readonly maxBytes?: number;
}

const defaultMaxBytes = 2 ** 32;

/**
 * Loads a model from a folder written by `save_pretrained` of diffusers, such as `unet` of a pipeline: `config.json`
 * with a `_class_name`, and the weights that `findWeights` selects.
 *
 * `place` is a folder on disk (in Node), a URL (strings in a browser are relative to the page or worker), or a source of
 * files.
 * @throws {ConfigError} if `_class_name` is not in `modelClasses`, or the configuration is invalid
 * @throws {SafetensorsError} if a weights file is invalid
 * @throws {FileError} if a file is missing, too large, not a regular file, or not a JSON object
 * @throws {DmError} with the code `MODEL_WEIGHTS_MISMATCH` if the weights do not match the model
 */
export async function loadModel(place: string | URL | FileSource, options: LoadOptions = {}): Promise<LoadedModel> {
  const source = await openSource(place);
  const config = await readFields(source, modelConfigFile);
  if (config === undefined) {
    throw new FileError(`${source.name}/${modelConfigFile}`, 'does not exist.', { code: 'FILE_NOT_FOUND' });
  }
  const className = config['_class_name'];
  if (typeof className !== 'string' || !Object.hasOwn(modelClasses, className)) {
    const got = typeof className === 'string' ? className : typeof className;
    throw new ConfigError(
      `${source.name}/${modelConfigFile}: _class_name must be one of ${Object.keys(modelClasses).join(', ')}, got ${got}`,
    );
  }
  const model = createModel(className as ModelClass, config, `${source.name}/${modelConfigFile}`, options);
  const { tensors } = await readWeights(source, '', model);
  return { model, params: loadWeights(model, tensors) };
}

function createModel(className: ModelClass, config: object, path: string, { maxBytes }: LoadOptions): Model {
  const model = built(className, config, path);
  const bytes = 4 * (parameterLayout(model).size + bufferLayout(model).size);
  const most = maxBytes ?? defaultMaxBytes;
  if (bytes > most) {
    throw new FileError(
      path,
      `describes a model of ${bytes} bytes, more than the ${most} of maxBytes. Raise maxBytes if you trust it.`,
      { code: 'FILE_TOO_LARGE' },
    );
  }
  return model;
}

function built(className: ModelClass, config: object, path: string): Model {
  try {
    return modelClasses[className](config as never);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(`${path}: ${error.message}`, { code: error.code, cause: error });
  }
}

/** A class by its number or its name. Digits are always a number. */
export type ClassLabel = number | string;

export interface SampleRequest {
  /** Classes of a conditional model, which images cycle through. Default: all classes. */
  readonly label?: ClassLabel | readonly ClassLabel[];
  /** Number of sampling steps. Default: the pipeline's. */
  readonly steps?: number;
  /** Random seed of the noise. Image i of a seed does not depend on `n`. Default 0. */
  readonly seed?: number;
  /** Number of images. Default: one of each of the classes in `label`, otherwise 1. */
  readonly n?: number;
  /** Classifier-free guidance scale; 1 for none. Default: the pipeline's. */
  readonly guidance?: number;
  /** Range of sigma / alpha in which guidance is applied; null for all. Default: the pipeline's. */
  readonly guidanceInterval?: readonly [low: number, high: number] | null;
  /** Called after each step of each batch. An error it throws stops sampling. */
  readonly onStep?: (progress: SamplingProgress) => void | Promise<void>;
}

const sampleOptions = ['label', 'steps', 'seed', 'n', 'guidance', 'guidanceInterval', 'onStep'];

/** A pipeline that generates images. */
export interface PretrainedModel extends LoadedModel {
  /** Names of the classes, or their numbers if the pipeline has no names; empty for an unconditional model. */
  readonly classes: readonly string[];
  /** What is sampled by default, from the pipeline. */
  readonly sampler: SamplingConfig;
  /** Differences from diffusers: converted dtypes, options of the scheduler that are not supported. */
  readonly notes: readonly string[];
  /**
   * Generates images, float32 [n, H, W, C], nominally in [-1, 1]; latents of the data for a model on latents. Calls wait for
   * each other.
   * @throws {RangeError} if an option is invalid, or the model does not have the class; guidance needs a null class
   */
  sample(request?: SampleRequest): Promise<Float32NdArray>;
  /** Frees the compiled programs and the engine's copy of the weights. The engine remains the caller's. */
  dispose(): Promise<void>;
}

/**
 * Loads a pipeline of diffusers (model_index.json, a UNet2DModel or DiTTransformer2DModel, and a scheduler) to generate
 * images on `engine`. For a folder exported by `dm export`, `dm sample` generates the same images with the same seed
 * and options.
 *
 * `place` is as for `loadModel`.
 * @throws {PipelineError} if a component or scheduler is not supported
 * @throws {ConfigError | SafetensorsError | FileError | DmError} as `loadModel`
 */
export async function fromPretrained(
  place: string | URL | FileSource,
  { engine, ...options }: LoadOptions & { readonly engine: Engine },
): Promise<PretrainedModel> {
  const source = await openSource(place);
  const pipeline = await readPipeline(source);
  const config = { _class_name: pipeline.className, ...pipeline.config };
  const model = createModel(pipeline.className, config, pipeline.configPath, options);
  const { tensors, notes } = await pipeline.readWeights(model);
  const params = loadWeights(model, tensors);
  const [layout, buffers] = [parameterLayout(model), bufferLayout(model)];
  /** The engine's copy of the weights, from the first call of `sample` on. */
  let state: StateHandle | undefined;
  const loadState = (sampler: ImageSampler): Promise<StateHandle> =>
    sampler.load({
      params: float32(flatten(params, layout), [layout.size]),
      ...(buffers.size > 0 && { buffers: float32(flatten(params, buffers), [buffers.size]) }),
    });
  const { nullClass, classes } = labelsOf(model, pipeline);
  const names =
    pipeline.classes?.length === classes ? pipeline.classes : Array.from({ length: classes }, (_, i) => `${i}`);
  const schedule = scheduleOf(pipeline.diffusion);

  /** The sampler of the last call, since compiling takes time. */
  let compiled: { readonly key: string; readonly sampler: ImageSampler } | undefined;
  async function samplerFor(sampler: SamplingConfig): Promise<ImageSampler> {
    const key = JSON.stringify(sampler);
    if (compiled?.key === key) return compiled.sampler;
    await compiled?.sampler.dispose();
    compiled = undefined;
    const created = createModelSampler({
      engine,
      model,
      layout,
      bufferLayout: buffers,
      prediction: pipeline.diffusion.prediction,
      schedule,
      sampler,
      frozenState: true,
    });
    compiled = { key, sampler: created };
    return created;
  }

  async function sample(request: SampleRequest): Promise<Float32NdArray> {
    checkOptions('sample', request, sampleOptions);
    const { label, steps, seed = 0, guidance, guidanceInterval, onStep } = request;
    const chosen = label === undefined ? undefined : [label].flat().map((each) => classNumber(each, names));
    if (chosen?.length === 0) throw new RangeError('sample: label must name at least one class, got []');
    const { n = chosen?.length ?? 1 } = request;
    if (steps !== undefined) checkInteger('sample: steps', steps, 1, mostSteps);
    checkInteger('sample: n', n, 1);
    const sampler: SamplingConfig = {
      ...pipeline.sampler,
      ...(steps !== undefined && { steps }),
      ...(guidance !== undefined && { guidance }),
      ...(guidanceInterval !== undefined && { guidanceInterval }),
    };
    if (sampler.guidance !== 1 && nullClass === undefined) {
      throw new RangeError(
        `sample: guidance ${sampler.guidance} needs a model with a null class, trained with label dropout`,
      );
    }
    const labels = Array.from({ length: n }, (_, i) =>
      chosen === undefined ? i % classes : chosen[i % chosen.length]!,
    );
    const prepared = await samplerFor(sampler);
    state ??= await loadState(prepared);
    const samples = await prepared.sample({
      state,
      seed,
      n,
      batchSize: samplingBatchSize,
      ...classCondition({ model, classes, nullClass }, n, labels),
      ...(onStep !== undefined && { onStep }),
    });
    return unscaled(samples, pipeline.latents);
  }

  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const next = last.then(work);
    last = next.catch(() => {});
    return next;
  };
  return {
    model,
    params,
    classes: names,
    sampler: pipeline.sampler,
    notes: [...pipeline.notes, ...notes],
    sample: (request = {}) => inTurn(() => sample(request)),
    dispose: () =>
      inTurn(async () => {
        await compiled?.sampler.dispose();
        compiled = undefined;
        state?.dispose();
        state = undefined;
      }),
  };
}

/** Undoes the scale of latents, in place. */
function unscaled(samples: Float32NdArray, latents: LatentScaling | undefined): Float32NdArray {
  if (latents === undefined) return samples;
  const { mean, scale } = latents;
  const { data } = samples;
  for (let i = 0; i < data.length; i++) data[i] = data[i]! / scale[i % scale.length]! + mean[i % mean.length]!;
  return samples;
}

/** The null class is the model's own, or its last class, if the pipeline says so. */
function labelsOf(
  { numClasses, condDim }: Model,
  { nullClass }: Pipeline,
): { readonly classes: number; readonly nullClass: number | undefined } {
  if (condDim > numClasses) return { classes: numClasses, nullClass: numClasses };
  const last = numClasses - 1;
  const isNull = last > 0 && nullClass === last;
  return isNull ? { classes: last, nullClass: last } : { classes: numClasses, nullClass: undefined };
}

function classNumber(label: ClassLabel, names: readonly string[]): number {
  const text = String(label);
  const number = /^\d+$/.test(text) ? Number(text) : names.indexOf(text);
  if (number >= 0 && number < names.length) return number;
  const known = names.length === 0 ? 'the model is unconditional' : `its classes are ${listOf(names)}`;
  throw new RangeError(`sample: the model does not have the class ${JSON.stringify(label)}: ${known}`);
}

/** Most classes that an error lists. */
const listed = 20;

function listOf(names: readonly string[]): string {
  const some = names.slice(0, listed).map((name, i) => (name === String(i) ? name : `${i} ${name}`));
  return names.length > listed ? `${some.join(', ')}, and ${names.length - listed} more` : some.join(', ');
}
