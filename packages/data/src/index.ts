export * from './dataset.js';
export { DATASET_FORMS, openDataset, type OpenDatasetOptions } from './open.js';
export { openFashionMnist, openMnist, type FashionMnistOptions, type MnistOptions, type Split } from './mnist.js';
export {
  defaultCacheDir,
  fetchCifar10,
  openCifar10,
  type Cifar10Options,
  type FetchCifar10Options,
} from './cifar10.js';
export { idxDataset, parseIdx, readIdx, type IdxArray, type IdxDatasetOptions } from './idx.js';
export { openImageFolder, type ImageFolderOptions } from './image-folder.js';
export { memoryDataset, type MemoryDatasetOptions } from './memory.js';
export { openNpz } from './npz-dataset.js';
export { copyToShard, openShard, verifyShard, writeShard, type ShardContent, type ShardManifest } from './shard.js';
export { batchIndices, epochOrder, type BatchOptions, type EpochOptions } from './order.js';
export { loadBatch, type LoadBatchOptions, type TrainingBatch } from './load.js';
export { flipImages, horizontalFlips } from './augment.js';
export { oneHot, toBytes, toFloat } from './batch.js';
export { imageGrid, type ImageGridOptions } from './png.js';
export {
  formatNpy,
  parseNpy,
  parseNpz,
  readNpy,
  readNpz,
  writeNpy,
  writeNpz,
  type NpyArray,
  type NpyData,
} from './npy.js';
