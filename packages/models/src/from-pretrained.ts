import type * as files from '@dm/files';
import type { Float32NdArray } from '@dm/ops';
import { ConfigError } from './config-error.js';
import { loadWeights } from './load-weights.js';
import type { Model } from './model.js';
import { type ModelClass, modelClasses } from './model-classes.js';
import { findWeights, type FoundWeights } from './safetensors/find-weights.js';
import { parseSafetensors } from './safetensors/parse.js';
import { parseShards, shardNames } from './safetensors/shards.js';

/** If a folder has no weights, the error about a missing file names this one. */
const NONE_FOUND: FoundWeights = { name: 'diffusion_pytorch_model.safetensors', isIndex: false };

/**
 * Loads a model from a folder written by `save_pretrained` of diffusers, such as `unet` of a pipeline: `config.json`
 * with a `_class_name`, and the weights that `findWeights` selects. Node only; in a browser, fetch the files and pass
 * their bytes to `parseSafetensors` and `loadWeights`.
 * @throws {ConfigError} if `_class_name` is not in `modelClasses`, or the configuration is invalid
 * @throws {SafetensorsError} if a weights file is invalid
 * @throws {FileError} if a file is missing or is not a regular file
 * @throws {DmError} with the code `MODEL_WEIGHTS_MISMATCH` if the weights do not match the model
 */
export async function fromPretrained(
  folder: string,
): Promise<{ readonly model: Model; readonly params: Record<string, Float32NdArray> }> {
  const module = '@dm/files'; // a variable, so that bundlers for browsers do not resolve the import
  const { listFolder, readRegularFileAsync } = (await import(
    /* @vite-ignore */ /* webpackIgnore: true */ module
  )) as typeof files;
  const read = (name: string) => readRegularFileAsync(`${folder}/${name}`, { maxBytes: Infinity });
  const text = async (name: string) => new TextDecoder().decode(await read(name));
  const config = parseConfig(await text('config.json'), `${folder}/config.json`);
  const className = config._class_name;
  if (typeof className !== 'string' || !Object.hasOwn(modelClasses, className)) {
    const got = typeof className === 'string' ? className : typeof className;
    throw new ConfigError(
      `${folder}/config.json: _class_name must be one of ${Object.keys(modelClasses).join(', ')}, got ${got}`,
    );
  }
  const model: Model = modelClasses[className as ModelClass](config as never);
  const { name, isIndex } = findWeights(listFolder(folder).map((entry) => entry.name)) ?? NONE_FOUND;
  if (!isIndex) return { model, params: loadWeights(model, parseSafetensors(await read(name)).tensors) };
  const index = await text(name);
  const shards: Record<string, Uint8Array> = {};
  for (const shard of shardNames(index)) shards[shard] = await read(shard);
  return { model, params: loadWeights(model, parseShards(index, shards).tensors) };
}

function parseConfig(text: string, path: string): { readonly _class_name?: unknown } {
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch (error) {
    throw new ConfigError(`${path} is not valid JSON: ${(error as Error).message}`);
  }
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw new ConfigError(`${path} must contain a JSON object`);
  }
  return config;
}
