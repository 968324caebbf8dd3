import type * as files from '@dm/files';
import type { Float32NdArray } from '@dm/ops';
import { ConfigError } from './config-error.js';
import { loadWeights } from './load-weights.js';
import type { Model } from './model.js';
import { type ModelClass, modelClasses } from './model-classes.js';
import { parseSafetensors } from './safetensors/parse.js';
import { parseShards, shardNames } from './safetensors/shards.js';

const WEIGHTS = 'diffusion_pytorch_model.safetensors';

/**
 * Reads a model's folder as diffusers' `save_pretrained` writes it, such as `unet` of a pipeline: `config.json` with its
 * `_class_name`, and `diffusion_pytorch_model.safetensors`, or its index and shards. For Node; a browser passes the bytes
 * that it fetched to `parseSafetensors` and `loadWeights`.
 *
 * @throws {ConfigError} if the configuration names no class of `modelClasses` or is not one of that class.
 * @throws {SafetensorsError} if a file of weights is damaged.
 * @throws {FileError} if a file is missing, or is no regular file.
 * @throws {Error} if the weights do not fit the model.
 */
export async function fromPretrained(
  folder: string,
): Promise<{ readonly model: Model; readonly params: Record<string, Float32NdArray> }> {
  const module = '@dm/files'; // by variable: bundlers for browsers must not look for it
  const { fileKind, readRegularFileAsync } = (await import(/* @vite-ignore */ module)) as typeof files;
  const read = (name: string) => readRegularFileAsync(`${folder}/${name}`, { maxBytes: Infinity });
  const text = async (name: string) => new TextDecoder().decode(await read(name));
  const config = JSON.parse(await text('config.json')) as { readonly _class_name?: unknown };
  const className = String(config._class_name);
  if (!Object.hasOwn(modelClasses, className)) {
    throw new ConfigError(
      `${folder}/config.json: _class_name must be one of ${Object.keys(modelClasses).join(', ')}, got ${className}`,
    );
  }
  const model: Model = modelClasses[className as ModelClass](config as never);
  if (fileKind(`${folder}/${WEIGHTS}`) !== undefined) {
    return { model, params: loadWeights(model, parseSafetensors(await read(WEIGHTS)).tensors) };
  }
  const index = await text(`${WEIGHTS}.index.json`);
  const shards: Record<string, Uint8Array> = {};
  for (const name of shardNames(index)) shards[name] = await read(name);
  return { model, params: loadWeights(model, parseShards(index, shards).tensors) };
}
