import type { NdArray } from '@dm/ops';
import { SafetensorsError } from './header.js';
import { parseSafetensors, type SafetensorsFile } from './parse.js';

/**
 * The files that an index (`*.safetensors.index.json`) names, each once, sorted.
 * @throws {SafetensorsError} if it is malformed
 */
export function shardNames(indexText: string): string[] {
  return [...new Set(Object.values(weightMap(indexText)))].toSorted();
}

/**
 * Reads a model that is spread over several files: `shards` holds the bytes of each file that the index names.
 * @throws {SafetensorsError} on a missing file, and if a file lacks a tensor that the index puts there or has another
 */
export function parseShards(indexText: string, shards: Readonly<Record<string, Uint8Array>>): SafetensorsFile {
  const places = weightMap(indexText);
  const tensors: [string, NdArray][] = [];
  const metadata: Record<string, string> = {};
  const notes: string[] = [];
  const wrong: string[] = [];
  for (const file of shardNames(indexText)) {
    if (!Object.hasOwn(shards, file))
      throw new SafetensorsError(`the index names the file ${file}, which is missing`, {
        code: 'SAFETENSORS_SHARD_MISSING',
      });
    const shard = parseSafetensors(shards[file]!);
    for (const [name, array] of Object.entries(shard.tensors)) {
      if (places[name] === file) tensors.push([name, array]);
      else wrong.push(`${file} holds ${name}, which the index does not put there`);
    }
    for (const [name, place] of Object.entries(places)) {
      if (place === file && !Object.hasOwn(shard.tensors, name)) wrong.push(`${file} lacks ${name}`);
    }
    Object.assign(metadata, shard.metadata);
    for (const note of shard.notes) notes.push(`${file}: ${note}`);
  }
  if (wrong.length > 0) throw new SafetensorsError(`the index and its files disagree: ${wrong.join('; ')}`);
  return { tensors: Object.fromEntries(tensors), metadata, notes };
}

/** Tensor name → file name. */
function weightMap(indexText: string): Readonly<Record<string, string>> {
  let json: unknown;
  try {
    json = JSON.parse(indexText);
  } catch (error) {
    throw new SafetensorsError(`the index is not JSON: ${(error as Error).message}`);
  }
  const map = (json as { weight_map?: unknown } | null)?.weight_map;
  if (typeof map !== 'object' || map === null || Array.isArray(map)) {
    throw new SafetensorsError('the index has no weight_map from tensor names to file names');
  }
  for (const [name, file] of Object.entries(map)) {
    // A path could lead out of the folder.
    if (typeof file !== 'string' || !/^[\w-][\w.-]*$/.test(file)) {
      throw new SafetensorsError(`the index puts ${name} into ${JSON.stringify(file)}, which is not a plain file name`);
    }
  }
  return map as Record<string, string>;
}
