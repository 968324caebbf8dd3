/** The entry for browsers: datasets in memory, and what needs no files and no native image library. */
export type { Dataset, FloatBatch, FloatType, ImageBatch } from './dataset.js';
export { DataError, type DataErrorCode } from './errors.js';
export { parseCifar, type CifarRecordLayout } from './formats/cifar-binary.js';
export { createMemoryDataset, cropDataset, formatShard, parseShard } from './browser-datasets.js';
export type { MemoryDatasetOptions } from './datasets/memory-dataset.js';
export type { CropOptions } from './datasets/cropped-dataset.js';
export { describeDataset, type ChannelStatistics, type DatasetDescription } from './datasets/describe.js';
export { batchIndices, epochOrder, type BatchOptions, type EpochOptions } from './batch/order.js';
export { loadBatch, type LoadBatchOptions, type TrainingBatch } from './batch/load-batch.js';
export { cropOffsets, flipImages, horizontalFlips } from './batch/augment.js';
export { readValues, type ValueBatch } from './batch/read-values.js';
export { toBytes, toFloat } from './batch/pixels.js';
export { resampleImages, type ResampleFilter, type ResampleOptions } from './formats/resample.js';
export { formatNpy, parseNpy, type NpyArray, type NpyData } from './formats/npy.js';
