import type { NdArray } from '@dm/ops';
import { SafetensorsError } from './header.js';
import { parseSafetensors, type SafetensorsFile } from './parse.js';

/**
 * The names of the files in an index (`*.safetensors.index.json`), sorted, without duplicates.
 * @throws {SafetensorsError} if the index is invalid
 */
export function shardNames(indexText: string): string[] {
  return [...new Set(Object.values(weightMap(indexText)))].toSorted();
}

/**
 * Parses a sharded model. `shards` has the bytes of each file in the index, by name.
 * @throws {SafetensorsError} if a file is missing or invalid, or if a file's tensors are not those that the index lists
 *   for it
 */
export function parseShards(indexText: string, shards: Readonly<Record<string, Uint8Array>>): SafetensorsFile {
  const places = weightMap(indexText);
  const tensors: [string, NdArray][] = [];
  const metadata: Record<string, string> = {};
  const notes: string[] = [];
  const wrong: string[] = [];
  for (const file of shardNames(indexText)) {
    if (!Object.hasOwn(shards, file)) {
      throw new SafetensorsError(`the shard ${file}, which the index lists, is missing`, {
        code: 'SAFETENSORS_SHARD_MISSING',
      });
    }
    const shard = parseSafetensors(shards[file]!);
    for (const [name, array] of Object.entries(shard.tensors)) {
      if (places[name] === file) tensors.push([name, array]);
      else wrong.push(`${file} has ${name}, which the index does not list for it`);
    }
    for (const [name, place] of Object.entries(places)) {
      if (place === file && !Object.hasOwn(shard.tensors, name)) wrong.push(`${file} lacks ${name}`);
    }
    Object.assign(metadata, shard.metadata);
    for (const note of shard.notes) notes.push(`${file}: ${note}`);
  }
  if (wrong.length > 0) throw new SafetensorsError(`the index does not match the shards: ${wrong.join('; ')}`);
  return { tensors: Object.fromEntries(tensors), metadata, notes };
}

/** Tensor name → file name. */
function weightMap(indexText: string): Readonly<Record<string, string>> {
  let json: unknown;
  try {
    json = JSON.parse(indexText);
  } catch (error) {
    throw new SafetensorsError(`the index is not valid JSON: ${(error as Error).message}`);
  }
  const map = (json as { weight_map?: unknown } | null)?.weight_map;
  if (typeof map !== 'object' || map === null || Array.isArray(map)) {
    throw new SafetensorsError('the index must have a weight_map from tensor names to file names');
  }
  for (const [name, file] of Object.entries(map)) {
    // A path could point outside the folder.
    if (typeof file !== 'string' || !/^[\w-][\w.-]*$/.test(file)) {
      throw new SafetensorsError(`the index must map ${name} to a plain file name, got ${JSON.stringify(file)}`);
    }
  }
  return map as Record<string, string>;
}
