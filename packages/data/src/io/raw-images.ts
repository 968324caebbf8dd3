import type { FileHandle } from 'node:fs/promises';
import type { ImageBatch } from '../dataset.js';
import { mapConcurrent } from './map-concurrent.js';
import { DataError } from '../errors.js';
import { fileError, withFile } from './read-file.js';
import { checkIndices } from '../checks.js';

/** A file of concatenated images of one size. */
export interface RawImagesFile {
  readonly path: string;
  /** Position of the first image. */
  readonly start: number;
  /** Bytes per image. */
  readonly imageBytes: number;
  readonly length: number;
  readonly labels?: Int32Array | undefined;
}

/** Concurrent reads; libuv's pool has four threads by default, and sequential reads are slower. */
const CONCURRENT = 16;

/**
 * Reads images by position (pread), so that only the batch is in memory.
 * @throws {RangeError} if an index is out of range
 * @throws {DataError} if the file is truncated or missing
 */
export async function readRawImages(layout: RawImagesFile, indices: ArrayLike<number>): Promise<ImageBatch> {
  const { path, imageBytes, length, labels } = layout;
  checkIndices(indices, length);
  const images = new Uint8Array(indices.length * imageBytes);
  await withFile(path, (file) =>
    mapConcurrent(runs(indices), CONCURRENT, ({ first, count, at }) => readRun(file, layout, images, first, count, at)),
  );
  return labels ? { images, labels: Int32Array.from(indices, (index) => labels[index]!) } : { images };
}

async function readRun(
  file: FileHandle,
  { path, start, imageBytes }: RawImagesFile,
  images: Uint8Array,
  first: number,
  count: number,
  at: number,
): Promise<void> {
  const wanted = count * imageBytes;
  const { bytesRead } = await file
    .read(images, at * imageBytes, wanted, start + first * imageBytes)
    .catch((cause: unknown) => {
      throw fileError(path, cause);
    });
  if (bytesRead !== wanted) {
    throw new DataError(`${path}: truncated at image ${first + Math.floor(bytesRead / imageBytes)}.`, {
      code: 'DATA_CORRUPT',
    });
  }
}

/** Groups consecutive indices into one read. `at` is the position in the batch. */
function runs(indices: ArrayLike<number>): { first: number; count: number; at: number }[] {
  const found: { first: number; count: number; at: number }[] = [];
  for (let at = 0; at < indices.length; at++) {
    const last = found.at(-1);
    if (last && indices[at] === last.first + last.count) last.count++;
    else found.push({ first: indices[at]!, count: 1, at });
  }
  return found;
}
