import type { Dataset } from '../dataset.js';
import { toFloat } from './pixels.js';

/** Examples of a dataset in the range of a model, and their labels. */
export interface ValueBatch {
  /** float32 [N, H, W, C]: images in [-1, 1], or the floats of the dataset. */
  readonly images: Float32Array;
  readonly labels?: Int32Array;
}

/**
 * Reads examples as float32: images as `toFloat` of their bytes, floats as they are.
 * @throws {RangeError} if an index is outside [0, length)
 * @throws {DataError} if an example cannot be read
 */
export async function readValues(dataset: Dataset, indices: ArrayLike<number>): Promise<ValueBatch> {
  if (dataset.floats !== undefined) {
    const { values, labels } = await dataset.floats.read(indices);
    return { images: values, ...(labels && { labels }) };
  }
  const { images, labels } = await dataset.read(indices);
  return { images: toFloat(images), ...(labels && { labels }) };
}
