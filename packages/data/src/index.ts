export * from './dataset.js';
export { DataError, type DataErrorCode } from './error.js';
export { DATASET_FORMS, openDataset, type OpenDatasetOptions } from './open.js';
export { openFashionMnist, openMnist, type FashionMnistOptions, type MnistOptions, type Split } from './mnist.js';
export {
  defaultCacheDir,
  fetchCifar10,
  openCifar10,
  type Cifar10Options,
  type FetchCifar10Options,
} from './cifar10.js';
export {
  openCifar100,
  openCifar10Binary,
  parseCifar,
  type Cifar100Options,
  type CifarBinaryOptions,
  type CifarRecordLayout,
} from './cifar-binary.js';
export { EMOJI_SIZES, openEmoji, type EmojiOptions } from './emoji.js';
export { idxDataset, parseIdx, readIdx, type IdxArray, type IdxDatasetOptions } from './idx.js';
export { openImageFolder, type ImageFolderOptions } from './image-folder.js';
export { openImageZip, type ImageZipOptions } from './image-zip.js';
export { decodeImage, IMAGE_EXTENSIONS, type ImageSize } from './decode.js';
export { memoryDataset, type MemoryDatasetOptions } from './memory.js';
export { openNpy, openNpz } from './array-dataset.js';
export { openShard, verifyShard } from './shard.js';
export { copyToShard, writeShard, type ShardContent } from './shard-write.js';
export type { ShardDescription } from './shard-format.js';
export { cropDataset, type CropOptions } from './crop.js';
export { describeDataset, type ChannelStatistics, type DatasetDescription } from './describe.js';
export { batchIndices, epochOrder, type BatchOptions, type EpochOptions } from './order.js';
export { loadBatch, type LoadBatchOptions, type TrainingBatch } from './load.js';
export { cropPlaces, flipImages, horizontalFlips } from './augment.js';
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
