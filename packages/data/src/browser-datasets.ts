/** Datasets in a browser, whose hashes are computed by WebCrypto; they equal the ones in Node. */
import type { Dataset } from './dataset.js';
import { croppedDataset, type CropOptions } from './datasets/cropped-dataset.js';
import { memoryDataset, type MemoryDatasetOptions } from './datasets/memory-dataset.js';
import { DataError } from './errors.js';
import type { Sha256 } from './sha256.js';

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
