/** Reads the model, the scheduler and the weights of a diffusers pipeline folder. */
import { fileKind, listFolder, readJsonFile, readRegularFile, readTextFile } from '@dm/files';
import { join } from 'node:path';
import { findWeights, parseSafetensors, parseShards, shardNames, type SafetensorsFile } from '@dm/models';
import {
  diffusersDenoisers,
  classField,
  modelConfigFile,
  pipelineFile,
  schedulerFile,
  weightsFile,
  type DiffusersDenoiser,
} from './denoiser-config.js';
import { readScheduler, type ReadScheduler } from './scheduler-config.js';
import { messageOf, UserError } from '../errors.js';

type Fields = Readonly<Record<string, unknown>>;

export interface Pipeline extends ReadScheduler {
  readonly type: DiffusersDenoiser['type'];
  readonly className: DiffusersDenoiser['className'];
  /** The model's configuration as stored in the file. */
  readonly config: Fields;
  readonly weights: SafetensorsFile['tensors'];
  /** Names of the classes by their numbers, if the pipeline has them. */
  readonly classes?: readonly string[];
}

/**
 * Reads model_index.json, the model's config.json and weights (.safetensors, in one file or in shards with an index)
 * and scheduler_config.json. As in diffusers, the files of a component are in a folder of its name, or next to
 * model_index.json if there is no such folder.
 *
 * @throws {UserError} if a component, a scheduler or a file is not supported; the message names it
 */
export function readPipeline(folder: string): Pipeline {
  const indexPath = join(folder, pipelineFile);
  if (fileKind(indexPath) === undefined) throw noPipelineError(folder);
  const index = readFields(indexPath);
  const components = Object.entries(index).filter(([key]) => !key.startsWith('_') && key !== classField);
  const found = components.filter(([, value]) => classOf(value) !== null);
  const denoiser = denoiserOf(found, indexPath);
  for (const [name, value] of found) {
    if (name === denoiser.component || name === 'scheduler') continue;
    throw new UserError(
      `${indexPath} has the component ${name} (${classOf(value)}), which is not supported. Only pipelines of a pixel-space ` +
        'model and a scheduler can be imported, not latent diffusion or conditions other than classes.',
      { code: 'PIPELINE_UNSUPPORTED' },
    );
  }
  const modelFolder = componentFolder(folder, denoiser.component);
  const scheduler = join(componentFolder(folder, 'scheduler'), schedulerFile);
  if (fileKind(scheduler) === undefined) {
    const named = found.some(([name]) => name === 'scheduler');
    throw new UserError(
      `${folder} has no scheduler: ${named ? `there is no ${scheduler}` : `${indexPath} names none`}. It says which noise ` +
        'the model was trained with. In Python, pipeline.save_pretrained(folder) writes it.',
      { code: named ? 'FILE_NOT_FOUND' : 'PIPELINE_UNSUPPORTED' },
    );
  }
  const classes = classesOf(index[classField] ?? index[`_${classField}`]);
  const { diffusion, sampler, notes } = readScheduler(readFields(scheduler), scheduler);
  const { tensors, notes: conversions } = readWeights(modelFolder);
  return {
    type: denoiser.type,
    className: denoiser.className,
    config: readFields(join(modelFolder, modelConfigFile)),
    weights: tensors,
    ...(classes !== undefined && { classes }),
    diffusion,
    sampler,
    notes: [...notes, ...conversions],
  };
}

function noPipelineError(folder: string): UserError {
  const isComponent = fileKind(join(folder, '..', pipelineFile)) !== undefined;
  const what =
    fileKind(folder) === undefined
      ? 'it does not exist'
      : `it has no ${pipelineFile}${isComponent ? ', but the folder above it does' : ', which save_pretrained of a pipeline writes'}`;
  return new UserError(`${folder} is not a pipeline of diffusers: ${what}.`, {
    code: fileKind(folder) === undefined ? 'FILE_NOT_FOUND' : 'FILE_INVALID',
  });
}

function denoiserOf(components: readonly (readonly [string, unknown])[], source: string): DiffusersDenoiser {
  const denoiser = diffusersDenoisers.find(({ className, component }) =>
    components.some(([name, value]) => name === component && classOf(value) === className),
  );
  if (denoiser !== undefined) return denoiser;
  const given = components.map(([name, value]) => `${name} (${classOf(value)})`).join(', ');
  const known = diffusersDenoisers.map(({ className, component }) => `${component} (${className})`).join(' or ');
  throw new UserError(`${source} has no model that can be imported: it has ${given || 'none'}; expected ${known}.`, {
    code: 'PIPELINE_UNSUPPORTED',
  });
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

function componentFolder(folder: string, name: string): string {
  const own = join(folder, name);
  return fileKind(own) === 'folder' ? own : folder;
}

function readWeights(folder: string): Pick<SafetensorsFile, 'tensors' | 'notes'> {
  const names = fileKind(folder) === 'folder' ? listFolder(folder).map(({ name }) => name) : [];
  const found = findWeights(names);
  if (found !== undefined) {
    const path = join(folder, found.name);
    const { tensors, notes } = explained(path, () => {
      if (!found.isIndex) return parseSafetensors(readBytes(path));
      const text = readTextFile(path);
      const present = shardNames(text).filter((name) => fileKind(join(folder, name)) !== undefined);
      return parseShards(text, Object.fromEntries(present.map((name) => [name, readBytes(join(folder, name))])));
    });
    return { tensors, notes: found.variant === undefined ? notes : [`weights from ${found.name}`, ...notes] };
  }
  const others = names.filter((name) => /\.(bin|pt|pth|ckpt|safetensors)$/.test(name));
  throw new UserError(
    `There is neither ${weightsFile} nor its index in ${folder}. ` +
      (others.length > 0
        ? `${others.join(', ')} cannot be read. In Python, write a supported format with save_pretrained(folder, safe_serialization=True).`
        : 'Give the folder of a complete pipeline, as written by save_pretrained.'),
    { code: 'FILE_INVALID' },
  );
}

function readFields(path: string): Fields {
  const value: unknown = explained(path, () => readJsonFile(path));
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw new UserError(`${path} must contain a JSON object.`, { code: 'FILE_INVALID' });
}

function readBytes(path: string): Uint8Array {
  try {
    return readRegularFile(path, { maxBytes: Infinity });
  } catch (error) {
    throw new UserError(`Cannot read the pipeline: ${messageOf(error)}`, { code: 'FILE_INVALID' });
  }
}

/** Adds the file name to whatever `read` throws. */
function explained<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof UserError ? error : new UserError(`${path}: ${messageOf(error)}`, { code: 'FILE_INVALID' });
  }
}
