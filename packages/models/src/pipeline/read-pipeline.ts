/** Reads the model, the scheduler and the weights of a diffusers pipeline folder. */
import { noisePathFromConfig, samplerFromConfig } from '@dm/core';
import { FileError, parseJson } from '@dm/files';
import { checkInteger, checkNonNegative, checkNumber } from '@dm/ops';
import type { Model } from '../model.js';
import { findWeights, type FoundWeights } from '../safetensors/find-weights.js';
import { headerLimit, SafetensorsError } from '../safetensors/header.js';
import { parseSafetensors, type SafetensorsFile } from '../safetensors/parse.js';
import { parseShards, shardNames } from '../safetensors/shards.js';
import {
  classField,
  type DiffusersDenoiser,
  diffusersDenoisers,
  modelConfigFile,
  ownField,
  pipelineFile,
  schedulerFile,
  weightsFile,
} from './components.js';
import {
  type DiffusionConfig,
  discreteSchedule,
  type LatentScaling,
  mostSteps,
  type SamplingConfig,
} from './diffusion-config.js';
import type { FileSource } from './file-source.js';
import { ownOptions } from './model-sampler.js';
import { PipelineError } from './pipeline-error.js';
import { isWrittenFor, readScheduler, type SchedulerSettings } from './scheduler-config.js';

type Fields = Readonly<Record<string, unknown>>;

/** Largest JSON file of a pipeline: 64 MiB. */
const maxJsonBytes = 2 ** 26;

export interface Pipeline extends SchedulerSettings {
  readonly className: DiffusersDenoiser['className'];
  /** The model's configuration as stored in the file, and the path of the file, for messages. */
  readonly config: Fields;
  readonly configPath: string;
  /** Names of the classes by their numbers, if the pipeline has them. */
  readonly classes?: readonly string[];
  /** Index of the null class, if the pipeline names one, or has one name less than a UNet2DModel has classes. */
  readonly nullClass?: number;
  /** The scale of latents, if the pipeline has it. */
  readonly latents?: LatentScaling;
  /**
   * Reads the weights. No file may be larger than the weights of `model` can be.
   *
   * @throws {FileError} if a file is missing, too large, or cannot be read
   * @throws {SafetensorsError} if a file is invalid
   */
  readWeights(model: Model): Promise<Pick<SafetensorsFile, 'tensors' | 'notes'>>;
}

/**
 * Reads model_index.json, the model's config.json and scheduler_config.json, and finds the weights (.safetensors, in one
 * file or in shards with an index). As in diffusers, the files of a component are in a folder of its name, or next to
 * model_index.json if they are not there.
 *
 * @throws {PipelineError} if a component or scheduler is not supported; the message names it
 * @throws {FileError} if a file is missing or is not a JSON object
 */
export async function readPipeline(source: FileSource): Promise<Pipeline> {
  const index = await readFields(source, pipelineFile);
  if (index === undefined) throw notFound(source, pipelineFile);
  const indexPath = pathOf(source, pipelineFile);
  const components = Object.entries(index).filter(([key]) => !key.startsWith('_') && key !== classField);
  const found = components.filter(([, value]) => classOf(value) !== null);
  const denoiser = denoiserOf(found, indexPath);
  for (const [name, value] of found) {
    if (name === denoiser.component || name === 'scheduler') continue;
    throw new PipelineError(
      `${indexPath} has the component ${name} (${classOf(value)}), which is not supported. Only pipelines of a pixel-space ` +
        'model and a scheduler can be read, not latent diffusion or conditions other than classes.',
    );
  }
  const model = await readComponent(source, denoiser.component, modelConfigFile);
  if (model === undefined) throw notFound(source, `${denoiser.component}/${modelConfigFile}`);
  const scheduler = await readComponent(source, 'scheduler', schedulerFile, withoutInfinities);
  if (scheduler === undefined) throw noSchedulerError(source, found);
  const { ignored, ...read } = readScheduler(scheduler.fields, pathOf(source, scheduler.folder, schedulerFile));
  const classes = classesOf(index[classField] ?? index[`_${classField}`]);
  const own = readOwn(index, scheduler.fields, read, indexPath);
  const { in_channels: channels } = model.fields;
  if (own.latents !== undefined && typeof channels === 'number' && own.latents.mean.length !== channels) {
    throw new PipelineError(
      `${indexPath}: ${ownField} has latents of ${own.latents.mean.length} channels, but the model has ${channels}.`,
    );
  }
  return {
    className: denoiser.className,
    config: model.fields,
    configPath: pathOf(source, model.folder, modelConfigFile),
    ...(classes !== undefined && { classes }),
    ...(classes !== undefined &&
      model.fields['num_class_embeds'] === classes.length + 1 && { nullClass: classes.length }),
    ...read,
    ...own,
    notes: [...ignored, ...(own.notes ?? read.notes)],
    readWeights: (built) => readWeights(source, model.folder, built),
  };
}

/** A file of a component, and the folder in which it was found. */
async function readComponent(
  source: FileSource,
  component: string,
  file: string,
  prepare?: (text: string) => string,
): Promise<{ readonly fields: Fields; readonly folder: string } | undefined> {
  for (const folder of [component, '']) {
    // oxlint-disable-next-line no-await-in-loop -- the second is read only without the first
    const fields = await readFields(source, joined(folder, file), prepare);
    if (fields !== undefined) return { fields, folder };
  }
  return undefined;
}

function notFound(source: FileSource, path: string): FileError {
  return new FileError(
    pathOf(source, path),
    'does not exist. Give the folder of a pipeline, as save_pretrained writes it.',
    {
      code: 'FILE_NOT_FOUND',
    },
  );
}

function noSchedulerError(source: FileSource, components: readonly (readonly [string, unknown])[]): Error {
  const fix = 'It says which noise the model was trained with. In Python, pipeline.save_pretrained(folder) writes it.';
  return components.some(([name]) => name === 'scheduler')
    ? new FileError(source.name, `has no scheduler: scheduler/${schedulerFile} does not exist. ${fix}`, {
        code: 'FILE_NOT_FOUND',
      })
    : new PipelineError(`${source.name} has no scheduler: its ${pipelineFile} names none. ${fix}`);
}

function denoiserOf(components: readonly (readonly [string, unknown])[], source: string): DiffusersDenoiser {
  const denoiser = diffusersDenoisers.find(({ className, component }) =>
    components.some(([name, value]) => name === component && classOf(value) === className),
  );
  if (denoiser !== undefined) return denoiser;
  const given = components.map(([name, value]) => `${name} (${classOf(value)})`).join(', ');
  const known = diffusersDenoisers.map(({ className, component }) => `${component} (${className})`).join(' or ');
  throw new PipelineError(`${source} has no model that can be read: it has ${given || 'none'}; expected ${known}.`);
}

/** The class of a component, whose value is [library, class]; null if the component is absent. */
function classOf(value: unknown): string | null {
  const name: unknown = Array.isArray(value) ? value[1] : undefined;
  return name === null ? null : typeof name === 'string' ? name : JSON.stringify(value);
}

/** {"0": "cat", "1": "dog"} as a list; undefined for anything else. */
function classesOf(value: unknown): string[] | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const names: unknown[] = Object.entries(value).map(([, name]) => name as unknown);
  const isNumbered = names.every((name, i) => typeof name === 'string' && Object.hasOwn(value, i));
  return isNumbered && names.length > 0 ? names.map((_, i) => (value as string[])[i]!) : undefined;
}

/**
 * The sampler, null class, and latents that `pipelineFiles` wrote. The sampler is not used if the scheduler has been changed
 * since.
 */
function readOwn(
  index: Fields,
  scheduler: Fields,
  { diffusion, notes }: SchedulerSettings,
  source: string,
): Partial<Pick<Pipeline, 'sampler' | 'nullClass' | 'latents' | 'notes'>> {
  const own = index[ownField];
  if (own === undefined) return {};
  try {
    const { sampler, nullClass, latents } = fieldsOf(own, 'it');
    checkSampler(sampler, diffusion);
    if (nullClass !== undefined) checkInteger('nullClass', nullClass as number, 0);
    const others = {
      ...(nullClass !== undefined && { nullClass: nullClass as number }),
      ...(latents !== undefined && { latents: checkedLatents(latents) }),
    };
    if (isWrittenFor(scheduler, diffusion, sampler)) return { sampler, notes: [], ...others };
    const note = `${schedulerFile} has other values than the sampler in ${source}, and takes precedence`;
    return { notes: [...notes, note], ...others };
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof TypeError)) throw error;
    throw new PipelineError(`${source}: ${ownField} is invalid: ${error.message}.`, { cause: error });
  }
}

/** @throws {RangeError} if it does not have a mean and a scale of each channel */
function checkedLatents(value: unknown): LatentScaling {
  const { mean, scale } = fieldsOf(value, 'latents');
  const isList = (list: unknown): list is number[] => Array.isArray(list) && list.every(Number.isFinite);
  if (!isList(mean) || !isList(scale) || mean.length !== scale.length || !scale.every((s) => s > 0)) {
    throw new RangeError('latents must have mean and scale, lists of one number per channel');
  }
  return { mean, scale };
}

/** @throws {RangeError | TypeError} if it is not a sampler for the diffusion */
function checkSampler(value: unknown, diffusion: DiffusionConfig): asserts value is SamplingConfig {
  const sampler = fieldsOf(value, 'sampler') as unknown as SamplingConfig;
  checkInteger('sampler.steps', sampler.steps, 1, mostSteps);
  checkNonNegative('sampler.guidance', sampler.guidance);
  const { guidanceInterval, clipping } = sampler;
  if (guidanceInterval !== null) {
    const [low, high] = guidanceInterval;
    checkNonNegative('sampler.guidanceInterval[0]', low);
    checkNumber('sampler.guidanceInterval[1]', high, `a number >= ${low}`, (v) => v >= low);
  }
  if (clipping !== null && clipping.type !== 'range' && clipping.type !== 'threshold') {
    throw new RangeError('sampler.clipping.type must be range or threshold');
  }
  fieldsOf(sampler.path, 'sampler.path');
  samplerFromConfig(ownOptions(sampler));
  noisePathFromConfig(sampler, scheduleOf(diffusion));
}

/** The noise levels of a diffusion, for `noisePathFromConfig`. */
export function scheduleOf({ schedule, timesteps }: DiffusionConfig): Parameters<typeof noisePathFromConfig>[1] {
  return schedule.type === 'flow' || schedule.type === 'edm' ? schedule : discreteSchedule(schedule, timesteps);
}

function fieldsOf(value: unknown, what: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw new RangeError(`${what} must be an object`);
}

/** Reads the weights in a folder of the source. No file may be larger than the weights of `model` can be. */
export async function readWeights(
  source: FileSource,
  folder: string,
  model: Model,
): Promise<Pick<SafetensorsFile, 'tensors' | 'notes'>> {
  const names = await source.list?.(folder);
  const found = names === undefined ? unlisted : [findWeights(names) ?? []].flat();
  const maxBytes = Number(headerLimit) + 8 * elementsOf(model);
  for (const { name, isIndex, variant } of found) {
    const path = joined(folder, name);
    // oxlint-disable-next-line no-await-in-loop -- the second is read only without the first
    const bytes = await source.read(path, isIndex ? maxJsonBytes : maxBytes);
    if (bytes === undefined) continue;
    try {
      // oxlint-disable-next-line no-await-in-loop -- the loop ends here
      const { tensors, notes } = isIndex
        ? await readShards(source, folder, decoded(bytes, pathOf(source, path)), maxBytes)
        : parseSafetensors(bytes);
      return { tensors, notes: variant === undefined ? notes : [`weights from ${name}`, ...notes] };
    } catch (error) {
      if (!(error instanceof SafetensorsError)) throw error;
      throw new SafetensorsError(`${pathOf(source, path)}: ${error.message}`, { code: error.code, cause: error });
    }
  }
  throw noWeightsError(source, folder, names ?? []);
}

/** The weights of a source that cannot be listed, in the order in which they are tried. */
const unlisted: readonly FoundWeights[] = [
  { name: weightsFile, isIndex: false },
  { name: `${weightsFile}.index.json`, isIndex: true },
];

async function readShards(
  source: FileSource,
  folder: string,
  index: string,
  maxBytes: number,
): Promise<SafetensorsFile> {
  const shards: Record<string, Uint8Array> = {};
  let left = maxBytes;
  for (const name of shardNames(index)) {
    // oxlint-disable-next-line no-await-in-loop -- one at a time, since all of them count toward the limit
    const bytes = await source.read(joined(folder, name), left);
    if (bytes === undefined) continue; // `parseShards` names it
    shards[name] = bytes;
    left -= bytes.length;
  }
  return parseShards(index, shards);
}

/** Upper bound of the number of values of a model. */
function elementsOf({ specs }: Model): number {
  return Object.values(specs).reduce((sum, { shape }) => sum + shape.reduce((product, d) => product * d, 1), 0);
}

function noWeightsError(source: FileSource, folder: string, names: readonly string[]): FileError {
  const others = names.filter((name) => /\.(bin|pt|pth|ckpt|safetensors)$/.test(name));
  const fix =
    others.length > 0
      ? `${others.join(', ')} cannot be read. In Python, write a supported format with save_pretrained(folder, safe_serialization=True).`
      : 'Give the folder of a complete pipeline, as written by save_pretrained.';
  return new FileError(pathOf(source, folder), `has neither ${weightsFile} nor its index. ${fix}`, {
    code: others.length > 0 ? 'FILE_INVALID' : 'FILE_NOT_FOUND',
  });
}

/** Python writes infinite and undefined numbers into JSON, such as the lambda_min_clipped of DPMSolverMultistepScheduler. */
const withoutInfinities = (text: string): string =>
  text.replaceAll(/([:,[]\s*)(?:-?Infinity|NaN)(?=\s*[,}\]])/g, '$1null');

/** The JSON object in a file, whose text `prepare` changes; undefined if it does not exist. */
export async function readFields(
  source: FileSource,
  path: string,
  prepare: (text: string) => string = (text) => text,
): Promise<Fields | undefined> {
  const bytes = await source.read(path, maxJsonBytes);
  if (bytes === undefined) return undefined;
  const value = parseJson(prepare(decoded(bytes, pathOf(source, path))), pathOf(source, path));
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw new FileError(pathOf(source, path), 'must contain a JSON object.', { code: 'FILE_INVALID' });
}

function decoded(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new FileError(path, 'is not UTF-8.', { code: 'FILE_INVALID', cause: error });
  }
}

const joined = (...parts: readonly string[]): string => parts.filter((part) => part !== '').join('/');

function pathOf({ name }: FileSource, ...parts: readonly string[]): string {
  return joined(name, ...parts);
}
