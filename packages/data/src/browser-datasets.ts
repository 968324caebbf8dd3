/** Datasets in a browser, whose hashes are computed by WebCrypto; they equal the ones in Node. */
import type { Dataset } from './dataset.js';
import { croppedDataset, type CropOptions } from './datasets/cropped-dataset.js';
import { memoryDataset, type MemoryDatasetOptions } from './datasets/memory-dataset.js';
import { DataError } from './errors.js';
import type { Sha256 } from './sha256.js';
import { datasetOf, shardOf } from './shard/shard-bytes.js';

const sha256: Sha256 = async (parts) => {
  const { crypto } = globalThis as { readonly crypto?: { readonly subtle?: typeof globalThis.crypto.subtle } };
  if (crypto?.subtle === undefined) {
    throw new DataError(
      'A dataset is identified by its SHA-256, which this page cannot compute: serve it over https.',
      {
        code: 'DATA_UNSUPPORTED',
      },
    );
  }
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const part of parts) {
    bytes.set(part, end);
    end += part.length;
  }
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
};

/**
 * A dataset of images in memory.
 * @throws {DataError} if the sizes of images, shape and labels do not match, or a label is out of range
 */
export function createMemoryDataset(options: MemoryDatasetOptions): Dataset {
  return memoryDataset(options, sha256);
}

/**
 * Crops the images of a dataset to [size, size, C]; as in Node.
 * @throws {DataError} if size is not an integer from 1 to the shorter side of the images
 */
export function cropDataset(dataset: Dataset, options: CropOptions): Dataset {
  return croppedDataset(dataset, options, sha256);
}

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
