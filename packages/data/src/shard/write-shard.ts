import { existsSync } from 'node:fs';
import { statfs, type FileHandle } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { atomicWriteFileAsync, FileError, makeFolder } from '@dm/files';
import { numberToHalf } from '@dm/ops';
import type { Dataset, FloatType, ImageBatch } from '../dataset.js';
import { DataError } from '../errors.js';
import { checkLabels } from '../checks.js';
import { createContentHash } from '../content-hash.js';
import { bytesOfFloats } from '../datasets/float-dataset.js';
import { floatsOfBytes } from '../datasets/npy.js';
import { labelBytes } from '../label-bytes.js';
import { sha256 } from '../sha256.js';
import { exampleBytes, formatHead, PREAMBLE_BYTES, type ShardDescription } from './format.js';

export interface ShardContent {
  readonly name: string;
  /** [H, W, C]. */
  readonly shape: readonly [number, number, number];
  readonly classes: readonly string[];
  /** Only for data of floats, such as latents. */
  readonly dtype?: FloatType;
  /** Image bytes in order, in chunks of any size; of floats, little-endian, in chunks of whole numbers. */
  readonly images: Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
  /** One label per image; read only after the last image was written. */
  readonly labels?: Int32Array;
}

/** Image bytes that `convertToShard` holds in memory at a time. */
const COPY_BYTES = 2 ** 22;
/** Disk space for the description, in the check of free space. */
const MARGIN_BYTES = 2 ** 20;

/**
 * Converts a dataset to a shard (`dm data prepare`). `onProgress` receives the number of images written so far.
 * @throws {DataError} if the disk has too little free space (before anything is written), or the file cannot be written
 */
export async function convertToShard(
  dataset: Dataset,
  path: string,
  options: { readonly onProgress?: (written: number) => void } = {},
): Promise<ShardDescription> {
  const { name, shape, classes, length, floats } = dataset;
  const dtype = floats?.dtype;
  const bytes = exampleBytes(name, { shape, ...(dtype !== undefined && { dtype }) });
  await checkSpace(path, length * (bytes + 4));
  const perRead = Math.max(1, Math.floor(COPY_BYTES / bytes));
  const readBytes = async (indices: number[]): Promise<ImageBatch> => {
    if (floats === undefined) return dataset.read(indices);
    const { values, labels: given } = await floats.read(indices);
    return { images: encodeFloats(values, floats.dtype), ...(given && { labels: given }) };
  };
  const read = (start: number) =>
    readBytes(Array.from({ length: Math.max(0, Math.min(perRead, length - start)) }, (_, i) => start + i));
  const labels = (await readBytes([0])).labels && new Int32Array(length);
  async function* pieces(): AsyncGenerator<Uint8Array> {
    let next = read(0);
    for (let start = 0; start < length; start += perRead) {
      const batch = await next;
      // Reads and decodes the next chunk while this one is hashed and written.
      next = read(start + perRead);
      next.catch(() => undefined); // awaited above, unless writing fails first
      if (labels && batch.labels) labels.set(batch.labels, start);
      yield batch.images;
      options.onProgress?.(Math.min(length, start + perRead));
    }
  }
  // `labels` is filled while the images are written, and is written after them.
  return writeShard(path, {
    name,
    shape,
    classes,
    ...(dtype !== undefined && { dtype }),
    images: pieces(),
    ...(labels && { labels }),
  });
}

/** Little-endian bytes. Values that were read from float16 are exact in it. */
function encodeFloats(values: Float32Array, dtype: FloatType): Uint8Array {
  if (dtype === 'float32') return bytesOfFloats(values);
  return new Uint8Array(Uint16Array.from(values, numberToHalf).buffer);
}

/**
 * Writes a shard atomically: to a temporary file that is renamed to `path` at the end.
 * @throws {DataError} if the sizes of images and labels do not match, or the file cannot be written
 */
export async function writeShard(path: string, content: ShardContent): Promise<ShardDescription> {
  try {
    makeFolder(dirname(resolve(path)));
    return await atomicWriteFileAsync(path, (file) => writeContent(file, content));
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    throw new DataError(`${error.path}: ${error.reason}`, { code: 'DATA_NOT_WRITTEN', cause: error });
  }
}

async function writeContent(file: FileHandle, content: ShardContent): Promise<ShardDescription> {
  const { name, shape, classes, labels, dtype } = content;
  const perExample = exampleBytes(name, content);
  const hash = createContentHash();
  await file.writeFile(Buffer.alloc(PREAMBLE_BYTES)); // filled in at the end
  let bytes = 0;
  for await (const piece of content.images) {
    hash.add(dtype === 'float16' ? bytesOfFloats(floatsOfBytes(piece, dtype)) : piece);
    bytes += piece.length;
    await file.writeFile(piece);
  }
  if (bytes === 0 || bytes % perExample !== 0) {
    throw new DataError(`${name}: ${bytes} bytes are not a positive multiple of the image shape ${shape.join('x')}.`);
  }
  const length = bytes / perExample;
  if (labels) {
    checkLabels(name, labels, length, classes);
    await file.writeFile(labelBytes(labels));
  }
  const labeled = labels !== undefined;
  const description: ShardDescription = {
    name,
    length,
    shape,
    classes,
    labeled,
    ...(dtype !== undefined && { dtype }),
    sha256: hash.digest(labels),
  };
  const { preamble, text } = await formatHead(description, bytes + (labeled ? 4 * length : 0), sha256);
  await file.writeFile(text);
  await file.write(preamble, 0, preamble.length, 0);
  return description;
}

async function checkSpace(path: string, bytes: number): Promise<void> {
  // The folder may not exist yet; then it will be created on the disk of its nearest existing ancestor.
  let dir = dirname(resolve(path));
  while (!existsSync(dir)) dir = dirname(dir);
  const disk = await statfs(dir);
  const free = disk.bavail * disk.bsize;
  if (free < bytes + MARGIN_BYTES) {
    const mb = (count: number) => `${Math.ceil(count / 1e6)} MB`;
    throw new DataError(`${path}: ${mb(bytes)} are needed, but the disk has ${mb(free)} free. Choose another folder.`, {
      code: 'DATA_NOT_WRITTEN',
    });
  }
}
