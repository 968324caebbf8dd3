/** Shards in memory. */
import type { Dataset } from '../dataset.js';
import { sha256 } from '../sha256.js';
import { datasetOf, shardOf } from './shard-bytes.js';

/**
 * The bytes of a shard of the whole dataset, which is read into memory: the same file as `dm data prepare` writes.
 * @throws {DataError} if an image cannot be read
 */
export function formatShard(dataset: Dataset): Promise<Uint8Array> {
  return shardOf(dataset, sha256);
}

/**
 * The dataset of a shard in memory; its bytes are not copied. Every byte is checked. `source` names it in errors.
 * @throws {DataError} if it is not a shard, or is damaged
 */
export function parseShard(bytes: Uint8Array, source: string): Promise<Dataset> {
  return datasetOf(bytes, source, sha256);
}
