import type { FileHandle } from 'node:fs/promises';
import type { ImageBatch } from '../dataset.js';
import { mapConcurrent } from './map-concurrent.js';
import { DataError } from '../errors.js';
import { fileError, withFile } from './read-file.js';
import { checkIndices } from '../checks.js';

/** Equally sized images one after the other in a file. */
export interface RawImagesFile {
  readonly path: string;
  /** Position of the first image. */
  readonly start: number;
  /** Bytes of an image. */
  readonly imageBytes: number;
  readonly length: number;
  readonly labels?: Int32Array | undefined;
}

/** Reads at a time; libuv's pool has four threads unless told otherwise, and one after the other is slower. */
const CONCURRENT = 16;

/**
 * Reads images by their position in the file (pread), so that no more than a batch is in memory, whatever the size of
 * the file.
 * @throws {RangeError} on an index that is not in the set, a DataError where the file is cut off or gone
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
    throw new DataError(`${path}: cut off at image ${first + Math.floor(bytesRead / imageBytes)}.`, {
      code: 'DATA_CORRUPT',
    });
  }
}

/** Indices that follow each other are one read. `at` is the place in the batch. */
function runs(indices: ArrayLike<number>): { first: number; count: number; at: number }[] {
  const found: { first: number; count: number; at: number }[] = [];
  for (let at = 0; at < indices.length; at++) {
    const last = found.at(-1);
    if (last && indices[at] === last.first + last.count) last.count++;
    else found.push({ first: indices[at]!, count: 1, at });
  }
  return found;
}
