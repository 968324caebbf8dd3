import type { Dataset } from '../dataset.js';
import { sha256 } from '../sha256.js';
import { memoryDataset, type MemoryDatasetOptions } from './memory-dataset.js';

/**
 * A dataset of images in memory.
 * @throws {DataError} if the sizes of images, shape and labels do not match, or a label is out of range
 */
export function createMemoryDataset(options: MemoryDatasetOptions): Dataset {
  return memoryDataset(options, sha256);
}
