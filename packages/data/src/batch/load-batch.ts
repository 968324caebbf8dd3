import { cropOffsets, flipImages, horizontalFlips } from './augment.js';
import { toFloat } from './pixels.js';
import type { Dataset } from '../dataset.js';
import { readValues } from './read-values.js';
import { batchIndices, type BatchOptions } from './order.js';

export interface LoadBatchOptions extends Omit<BatchOptions, 'length'> {
  /** Random horizontal flips, with probability 1/2. Default false: digits and letters must not be mirrored. */
  readonly flip?: boolean;
}

export interface TrainingBatch {
  /** float32 [N, H, W, C]: images in [-1, 1], or the floats of the dataset. */
  readonly images: Float32Array;
  /** Class of each image; absent if the dataset has no labels. */
  readonly labels?: Int32Array;
  /** Indices of the images in the dataset. */
  readonly indices: Uint32Array;
}

/**
 * Loads the batch of optimizer step `step`: shuffling, reading, augmentation, conversion to float. For a given dataset
 * it is a function of (seed, step): see `batchIndices` for the order; crop and flip of example n depend on (seed, n)
 * only.
 * @throws {RangeError} if `step` or `batchSize` is out of range
 * @throws {DataError} if an image cannot be read
 */
export async function loadBatch(dataset: Dataset, options: LoadBatchOptions): Promise<TrainingBatch> {
  const { seed, step, batchSize, flip = false } = options;
  const indices = batchIndices({ seed, step, batchSize, length: dataset.length });
  if (dataset.floats !== undefined) {
    const batch = await readValues(dataset, indices);
    if (flip) flipImages(batch.images, dataset.shape, horizontalFlips({ seed, step, batchSize }));
    return { ...batch, indices };
  }
  const { images, labels } = await (dataset.readCrops?.(indices, cropOffsets({ seed, step, batchSize })) ??
    dataset.read(indices));
  if (flip) flipImages(images, dataset.shape, horizontalFlips({ seed, step, batchSize }));
  return { images: toFloat(images), indices, ...(labels && { labels }) };
}
