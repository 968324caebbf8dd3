import type { Dataset } from '../dataset.js';
import { sha256 } from '../sha256.js';
import { croppedDataset, type CropOptions } from './cropped-dataset.js';

/**
 * Crops the images of a dataset to [size, size, C]. `read` crops the center; `at: 'random'` adds `readCrops`, which
 * training uses. `hash` is the SHA-256 of the uncropped dataset's hash and of the size, since random crops use all
 * parts of the images.
 * @throws {DataError} if size is not an integer from 1 to the shorter side of the images
 */
export function cropDataset(dataset: Dataset, options: CropOptions): Dataset {
  return croppedDataset(dataset, options, sha256);
}
