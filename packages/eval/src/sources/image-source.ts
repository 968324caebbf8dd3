import { createHash } from 'node:crypto';
import type { Dataset } from '@dm/data';
import { EvalError } from '../errors.js';
import { randomPermutation } from '../random.js';

/** A set of equally sized images that is read once, from the beginning, a batch at a time. */
export interface ImageSource {
  /** For people: a path, or the name of a data set. */
  readonly name: string;
  /** [H, W, C] of every image; C is 1 or 3. */
  readonly shape: readonly [number, number, number];
  /** Images that there are to read; fewer come where bad ones are skipped. */
  readonly length: number;
  /** SHA-256 of the images and of which of them are read: what statistics are kept under. Absent for fresh samples. */
  readonly sha256?: string;
  /** uint8 [n, H, W, C], n at most `size`. Throws an EvalError that names a bad image, unless bad ones are skipped. */
  batches(size: number): AsyncIterable<Uint8Array>;
  /** Images left out so far, each with the reason. */
  readonly skipped: readonly string[];
  /** What a reader of the results must know. */
  readonly notes: readonly string[];
}

export interface SourceOptions {
  /** Read so many images, chosen by chance; all by default. */
  readonly count?: number;
  /** Of that choice. Default 0. */
  readonly seed?: number;
  /** Leave bad images out and say so, instead of stopping at the first. */
  readonly skipBad?: boolean;
}

/**
 * Which of `length` images are read: all in order, or `count` chosen by chance, in ascending order (sets are often
 * sorted by class, so the first ones would not do).
 * @throws {EvalError} on fewer than two images, a RangeError on a count that is not in [2, length]
 */
export function selectIndices(name: string, length: number, { count, seed = 0 }: SourceOptions): Uint32Array {
  if (length < 2) throw new EvalError('SET_TOO_SMALL', `${name}: ${length} image; statistics need at least 2.`);
  if (count === undefined || count === length) return Uint32Array.from({ length }, (_, i) => i);
  if (!Number.isInteger(count) || count < 2 || count > length) {
    throw new RangeError(
      `${name}: ${count} images were asked for; it must be a number from 2 to ${length}, all there are.`,
    );
  }
  return randomPermutation(seed, length).slice(0, count).toSorted();
}

/** SHA-256 of the set's own hash and of the choice among its images. */
export function subsetHash(sha256: string, chosen: Uint32Array): string {
  const bytes = new Uint8Array(chosen.length * 4);
  const view = new DataView(bytes.buffer);
  chosen.forEach((index, i) => view.setUint32(i * 4, index, true));
  return createHash('sha256').update(sha256).update(bytes).digest('hex');
}

/** The images of a data set of @dm/data. */
export async function openDatasetSource(dataset: Dataset, options: SourceOptions = {}): Promise<ImageSource> {
  const { name, shape } = dataset;
  const chosen = selectIndices(name, dataset.length, options);
  return {
    name,
    shape,
    length: chosen.length,
    sha256: subsetHash(await dataset.hash(), chosen),
    async *batches(size) {
      for (let start = 0; start < chosen.length; start += size) {
        yield (await dataset.read(chosen.subarray(start, start + size))).images;
      }
    },
    skipped: [],
    notes: [],
  };
}
