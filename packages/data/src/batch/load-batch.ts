import { cropOffsets, flipImages, horizontalFlips } from './augment.js';
import { toFloat } from './pixels.js';
import type { Dataset } from '../dataset.js';
import { batchIndices, type BatchOptions } from './order.js';

export interface LoadBatchOptions extends Omit<BatchOptions, 'length'> {
  /** Mirror half of the images, by chance. Default false: digits and letters must not be mirrored. */
  readonly flip?: boolean;
}

export interface TrainingBatch {
  /** float32 [N, H, W, C] in [-1, 1]. */
  readonly images: Float32Array;
  /** Class of each image; absent where the set has none. */
  readonly labels?: Int32Array;
  /** Which images of the set these are. */
  readonly indices: Uint32Array;
}

/**
 * The batch of optimizer step `step`: order, reading, augmentation, floats. A function of (seed, step) for a set; example
 * n of the run is image (seed, epoch, place), and its crop and flip are a function of (seed, n) alone.
 */
export async function loadBatch(dataset: Dataset, options: LoadBatchOptions): Promise<TrainingBatch> {
  const { seed, step, batchSize, flip = false } = options;
  const indices = batchIndices({ seed, step, batchSize, length: dataset.length });
  const { images, labels } = await (dataset.readCrops?.(indices, cropOffsets({ seed, step, batchSize })) ??
    dataset.read(indices));
  if (flip) flipImages(images, dataset.shape, horizontalFlips({ seed, step, batchSize }));
  return { images: toFloat(images), indices, ...(labels && { labels }) };
}
