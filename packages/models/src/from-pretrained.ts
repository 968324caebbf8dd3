import type * as files from '@dm/files';
import type { Float32NdArray } from '@dm/ops';
import { ConfigError } from './config-error.js';
import { loadWeights } from './load-weights.js';
import type { Model } from './model.js';
import { type ModelClass, modelClasses } from './model-classes.js';
import { findWeights, type FoundWeights } from './safetensors/find-weights.js';
import { parseSafetensors } from './safetensors/parse.js';
import { parseShards, shardNames } from './safetensors/shards.js';

/** Named by the error of a folder without weights. */
const NONE_FOUND: FoundWeights = { name: 'diffusion_pytorch_model.safetensors', isIndex: false };

/**
 * Reads a model's folder as diffusers' `save_pretrained` writes it, such as `unet` of a pipeline: `config.json` with its
 * `_class_name`, and weights as `findWeights` finds them. For Node; a browser passes the bytes
 * that it fetched to `parseSafetensors` and `loadWeights`.
 *
 * @throws {ConfigError} if the configuration names no class of `modelClasses` or is not one of that class.
 * @throws {SafetensorsError} if a file of weights is damaged.
 * @throws {FileError} if a file is missing, or is no regular file.
 * @throws {DmError} with the code `MODEL_WEIGHTS_MISMATCH` if the weights do not fit the model.
 */
export async function fromPretrained(
  folder: string,
): Promise<{ readonly model: Model; readonly params: Record<string, Float32NdArray> }> {
  const module = '@dm/files'; // by variable: bundlers for browsers must not look for it
  const { listFolder, readRegularFileAsync } = (await import(/* @vite-ignore */ module)) as typeof files;
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
    throw new ConfigError(`${path} is not JSON: ${(error as Error).message}`);
  }
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw new ConfigError(`${path} must hold one object, the fields of a model`);
  }
  return config;
}
