import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import type { Dataset } from '../dataset.js';
import { DataError } from '../errors.js';
import { fileError, readAt, readPieces, withFile } from '../io/read-file.js';
import { sha256 as hashOf } from '../sha256.js';
import { readRawImages, type RawImagesFile } from '../io/raw-images.js';
import { openShardFolder } from './version-1.js';
import { floatDataset } from '../datasets/float-dataset.js';
import { floatsOfBytes, hashOfFloats } from '../datasets/npy.js';
import {
  exampleBytes,
  parseDescription,
  parseLabels,
  parsePreamble,
  PREAMBLE_BYTES,
  type Preamble,
  type ShardDescription,
} from './format.js';

/**
 * Opens a shard, or a folder of version 1. Checks description, sizes and labels. Images are read on demand, so a shard
 * may be larger than memory. `hash()` reads every byte and throws a DataError if one has changed.
 * @throws {DataError} if the file is missing, damaged, or not a shard
 */
export async function openShard(path: string): Promise<Dataset> {
  const found = await stat(path).catch((cause: unknown) => {
    throw fileError(path, cause);
  });
  if (found.isDirectory()) return openShardFolder(path);
  const { description, labels } = await readHead(path);
  const { name, length, shape, classes, dtype, sha256 } = description;
  const layout: RawImagesFile = {
    path,
    start: PREAMBLE_BYTES,
    imageBytes: exampleBytes(path, description),
    length,
    labels,
  };
  if (dtype !== undefined) {
    const read = async (indices: ArrayLike<number>) => {
      const batch = await readRawImages(layout, indices);
      return { values: floatsOfBytes(batch.images, dtype), ...(batch.labels && { labels: batch.labels }) };
    };
    const about = { name, length, shape, classes, dtype };
    return floatDataset({ ...about, read, hash: () => checkFloats(path, description, read) });
  }
  let hash: Promise<string> | undefined;
  return {
    name,
    length,
    shape,
    classes,
    hash() {
      hash ??= checkBytes(path, sha256);
      return hash;
    },
    read: (indices) => readRawImages(layout, indices),
  };
}

/**
 * Opens a shard after reading every byte.
 * @throws {DataError} if a byte has changed since it was written
 */
export async function verifyShard(path: string): Promise<Dataset> {
  const dataset = await openShard(path);
  await dataset.hash();
  return dataset;
}

async function readHead(path: string): Promise<{ description: ShardDescription; labels: Int32Array | undefined }> {
  return withFile(path, async (file) => {
    const { size } = await file.stat();
    const preamble = parsePreamble(await readAt(file, path, 0, Math.min(size, PREAMBLE_BYTES)), path, size);
    const text = await readAt(file, path, preamble.start, preamble.bytes);
    const description = await parseDescription(text, path, preamble, hashOf);
    const { length, classes, labeled } = description;
    const labels = labeled
      ? parseLabels(await readAt(file, path, preamble.start - 4 * length, 4 * length), path, length, classes)
      : undefined;
    return { description, labels };
  });
}

async function checkBytes(path: string, expected: string): Promise<string> {
  const { start } = await withFile(path, async (file): Promise<Preamble> => {
    const { size } = await file.stat();
    return parsePreamble(await readAt(file, path, 0, Math.min(size, PREAMBLE_BYTES)), path, size);
  });
  const sha = createHash('sha256');
  await readPieces(path, (piece) => sha.update(piece), { start: PREAMBLE_BYTES, end: start });
  return checkedHash(path, sha.digest('hex'), expected);
}

/** The same for floats, whose hash is computed from their float32 values, also if the file has float16. */
async function checkFloats(
  path: string,
  { length, sha256: expected }: ShardDescription,
  read: Parameters<typeof hashOfFloats>[1],
): Promise<string> {
  return checkedHash(path, await hashOfFloats(length, read), expected);
}

function checkedHash(path: string, found: string, expected: string): string {
  if (found === expected) return found;
  throw new DataError(
    `${path}: damaged: the SHA-256 of its images and labels is ${found}, expected ${expected}. Prepare it again.`,
    { code: 'DATA_CORRUPT' },
  );
}
