import { createHash } from 'node:crypto';
import type { Dataset } from '@dm/data';
import { EvalError } from '../errors.js';
import { randomPermutation } from '../random.js';

/** A set of images of one size, read once, batch by batch. */
export interface ImageSource {
  /** Display name: a path, or the name of a dataset. */
  readonly name: string;
  /** [H, W, C] of every image; C is 1 or 3. */
  readonly shape: readonly [number, number, number];
  /** Number of images; fewer are returned if bad ones are skipped. */
  readonly length: number;
  /** SHA-256 of the images and of their selection, the key of cached statistics. Absent for newly generated samples. */
  readonly sha256?: string;
  /**
   * Batches of uint8 [n, H, W, C], n at most `size`.
   * @throws {EvalError} if an image is bad and bad ones are not skipped; the message names it
   */
  batches(size: number): AsyncIterable<Uint8Array>;
  /** Images skipped so far, each with the reason. */
  readonly skipped: readonly string[];
  /** Notes to report with the results. */
  readonly notes: readonly string[];
}

export interface SourceOptions {
  /** Number of images to read, chosen at random. Default: all. */
  readonly count?: number;
  /** Seed of the random choice. Default 0. */
  readonly seed?: number;
  /** Skip and report bad images instead of stopping at the first. Default false. */
  readonly skipBad?: boolean;
}

/**
 * Indices of the images to read: all, or `count` chosen at random (datasets are often sorted by class), in ascending
 * order.
 * @throws {EvalError} if length < 2
 * @throws {RangeError} if count is not in [2, length]
 */
export function selectIndices(name: string, length: number, { count, seed = 0 }: SourceOptions): Uint32Array {
  if (length < 2) throw new EvalError('SET_TOO_SMALL', `${name}: ${length} image; statistics need at least 2.`);
  if (count === undefined || count === length) return Uint32Array.from({ length }, (_, i) => i);
  if (!Number.isInteger(count) || count < 2 || count > length) {
    throw new RangeError(`${name}: the number of images must be from 2 to ${length} (all), got ${count}.`);
  }
  return randomPermutation(seed, length).slice(0, count).toSorted();
}

/** SHA-256 of a set's hash and of the selected indices. */
export function subsetHash(sha256: string, chosen: Uint32Array): string {
  const bytes = new Uint8Array(chosen.length * 4);
  const view = new DataView(bytes.buffer);
  chosen.forEach((index, i) => view.setUint32(i * 4, index, true));
  return createHash('sha256').update(sha256).update(bytes).digest('hex');
}

/** The images of a `@dm/data` dataset. */
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
