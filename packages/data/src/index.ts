export type { Dataset, FloatBatch, FloatType, ImageBatch } from './dataset.js';
export { DataError, type DataErrorCode } from './errors.js';
export { datasetForms, hasTestImages, openDataset, type OpenDatasetOptions } from './datasets/open-dataset.js';
export type { HoldOutOptions } from './datasets/hold-out.js';
export {
  openFashionMnist,
  openMnist,
  type FashionMnistOptions,
  type MnistOptions,
  type Split,
} from './datasets/mnist.js';
export {
  defaultCacheDir,
  fetchCifar10,
  openCifar10,
  type Cifar10Options,
  type FetchCifar10Options,
} from './datasets/cifar10.js';
export {
  openCifar100,
  openCifar10Binary,
  type Cifar100Options,
  type CifarBinaryOptions,
} from './datasets/cifar-binary.js';
export { parseCifar, type CifarRecordLayout } from './formats/cifar-binary.js';
export { emojiSizes, openEmoji, type EmojiOptions } from './datasets/emoji.js';
export { openIdx, type IdxOptions } from './datasets/idx.js';
export { parseIdx, readIdx, type IdxArray } from './formats/idx.js';
export { openImageFolder, type ImageFolderOptions } from './image-files/image-folder.js';
export { openImageZip, type ImageZipOptions } from './image-files/image-zip.js';
export {
  decodeWholeImage,
  imageExtensions,
  imageResizes,
  readImageSize,
  type DecodedImage,
  type ImageResize,
} from './formats/decode-image.js';
export { listImages, type ImageListing, type ListImagesOptions } from './image-files/list-images.js';
export { limitNames, type DataLimits } from './limits.js';
export { createMemoryDataset } from './datasets/memory.js';
export type { MemoryDatasetOptions } from './datasets/memory-dataset.js';
export { floatLayouts, openNpy, openNpz, type FloatLayout } from './datasets/npy.js';
export { channelsFirst } from './datasets/float-dataset.js';
export { denormalizeFloats, normalizeDataset, type ChannelScaling } from './datasets/normalize.js';
export { formatShard, parseShard } from './shard/memory.js';
export { openShard, verifyShard } from './shard/open-shard.js';
export { convertToShard, writeShard, type ShardContent } from './shard/write-shard.js';
export type { ShardDescription } from './shard/format.js';
export { cropDataset } from './datasets/crop.js';
export type { CropOptions } from './datasets/cropped-dataset.js';
export { describeDataset, type ChannelStatistics, type DatasetDescription } from './datasets/describe.js';
export { batchIndices, epochOrder, type BatchOptions, type EpochOptions } from './batch/order.js';
export { loadBatch, type LoadBatchOptions, type TrainingBatch } from './batch/load-batch.js';
export { cropOffsets, flipImages, horizontalFlips } from './batch/augment.js';
export { readValues, type ValueBatch } from './batch/read-values.js';
export { toBytes, toFloat } from './batch/pixels.js';
export { resampleImages, type ResampleFilter, type ResampleOptions } from './formats/resample.js';
export { halveImages } from './formats/halve-images.js';
export { imageGrid, type ImageGridOptions } from './formats/image-grid.js';
export { listZip, readZipEntry, type ZipEntry } from './formats/zip.js';
export { formatNpy, parseNpy, type NpyArray, type NpyData } from './formats/npy.js';
export { parseNpz, readNpy, readNpz, writeNpy, writeNpz } from './formats/npy-files.js';
