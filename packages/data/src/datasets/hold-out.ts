import { createHash } from 'node:crypto';
import { checkInRange, checkOptions, checkChoice } from '@dm/ops';
import type { Dataset, FloatBatch, ImageBatch } from '../dataset.js';
import { DataError } from '../errors.js';
import { checkIndices } from '../checks.js';
import { createContentHash } from '../content-hash.js';
import { bytesOfFloats, floatDataset } from './float-dataset.js';
import { hashOfFloats } from './npy.js';

/** Which images of a dataset to read if a share of them is held out, for example for a validation loss. */
export interface HoldOutOptions {
  /** Expected fraction of the images that is held out, in (0, 1). */
  readonly share: number;
  /** `rest`: the images that are not held out; `heldOut`: the others. */
  readonly part: 'rest' | 'heldOut';
}

/** Images per read of a pass over all of them. */
const PASS_BATCH = 256;

/** @throws {RangeError} if the share is not in (0, 1), or the part is unknown */
export function checkHoldOut(options: HoldOutOptions): void {
  checkOptions('holdOut', options, ['share', 'part']);
  checkInRange('holdOut.share', options.share, '(0, 1)');
  checkChoice('holdOut.part', options.part, ['rest', 'heldOut']);
}

/**
 * Whether an image is held out. It depends on nothing but its content: copies of an image are in the same part, and other
 * images may be added or removed. The first 48 bits of the SHA-256, as a fraction of 2^48, are compared with the share.
 */
export function isHeldOut(content: Uint8Array, share: number): boolean {
  return createHash('sha256').update(content).digest().readUIntBE(0, 6) < share * 2 ** 48;
}

/**
 * The indices of the part, given which images are held out.
 * @throws {DataError} `DATA_OPTION` if it is empty
 */
export function indicesOfPart(name: string, heldOut: readonly boolean[], { share, part }: HoldOutOptions): number[] {
  const indices = heldOut.flatMap((is, i) => (is === (part === 'heldOut') ? [i] : []));
  if (indices.length > 0) return indices;
  throw new DataError(
    `${name}: with holdOut ${share}, ${part === 'heldOut' ? 'none' : 'all'} of its ${heldOut.length} images ` +
      `are held out. ${part === 'heldOut' ? 'Raise' : 'Lower'} holdOut, or use more images.`,
    { code: 'DATA_OPTION' },
  );
}

export function holdOutNote(count: number, of: number, { share, part }: HoldOutOptions): string {
  return `${count} of ${of} images used, ${part === 'heldOut' ? 'those held out' : 'the others held out'} (holdOut ${share}).`;
}

/** The part of a dataset, chosen by the content of its decoded images or float32 values, all of which are read once. */
export async function partOfDataset(dataset: Dataset, options: HoldOutOptions): Promise<Dataset> {
  const { floats } = dataset;
  const heldOut: boolean[] = [];
  const size = dataset.shape.reduce((product, side) => product * side, 1) * (floats === undefined ? 1 : 4);
  for (let start = 0; start < dataset.length; start += PASS_BATCH) {
    const chosen = range(start, Math.min(PASS_BATCH, dataset.length - start));
    const bytes =
      floats === undefined ? (await dataset.read(chosen)).images : bytesOfFloats((await floats.read(chosen)).values);
    for (let at = 0; at < bytes.length; at += size) {
      heldOut.push(isHeldOut(bytes.subarray(at, at + size), options.share));
    }
  }
  const indices = indicesOfPart(dataset.name, heldOut, options);
  const { length } = indices;
  const read = async (chosen: ArrayLike<number>): Promise<ImageBatch> => {
    checkIndices(chosen, length);
    return dataset.read(Array.from(chosen, (index) => indices[index]!));
  };
  const about = {
    name: dataset.name,
    length,
    shape: dataset.shape,
    classes: dataset.classes,
    notes: [...(dataset.notes ?? []), holdOutNote(length, dataset.length, options)],
  };
  if (floats !== undefined) {
    const readFloats = async (chosen: ArrayLike<number>): Promise<FloatBatch> => {
      checkIndices(chosen, length);
      return floats.read(Array.from(chosen, (index) => indices[index]!));
    };
    return floatDataset({
      ...about,
      dtype: floats.dtype,
      read: readFloats,
      hash: () => hashOfFloats(length, readFloats),
    });
  }
  let hash: Promise<string> | undefined;
  return {
    ...about,
    hash() {
      hash ??= hashAll(length, read);
      return hash;
    },
    read,
  };
}

async function hashAll(length: number, read: Dataset['read']): Promise<string> {
  const hash = createContentHash();
  const labels: number[] = [];
  let isLabeled = false;
  for (let start = 0; start < length; start += PASS_BATCH) {
    const batch = await read(range(start, Math.min(PASS_BATCH, length - start)));
    hash.add(batch.images);
    isLabeled = batch.labels !== undefined;
    for (const label of batch.labels ?? []) labels.push(label);
  }
  return hash.digest(isLabeled ? Int32Array.from(labels) : undefined);
}

function range(start: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => start + i);
}
