import { createHash } from 'node:crypto';
import type { Dataset, ImageBatch } from './dataset.js';
import { DataError } from './error.js';
import { numberedClasses } from './image-labels.js';

export interface MemoryDatasetOptions {
  readonly name: string;
  /** uint8 [N, H, W, C]; kept, not copied. */
  readonly images: Uint8Array;
  /** [H, W, C]. */
  readonly shape: readonly [number, number, number];
  /** Class of each image, in [0, classes.length) where `classes` is given. */
  readonly labels?: ArrayLike<number>;
  readonly classes?: readonly string[];
}

/** A data set whose images lie in memory. Throws a DataError where shape, images and labels contradict each other. */
export function memoryDataset(options: MemoryDatasetOptions): Dataset {
  const { name, images, shape } = options;
  const pixels = imageBytes(name, shape);
  if (images.length === 0) throw new DataError(`${name}: no images.`);
  if (images.length % pixels !== 0) {
    throw new DataError(`${name}: ${images.length} bytes are no whole number of ${shape.join('x')} images.`);
  }
  const length = images.length / pixels;
  const labels = options.labels === undefined ? undefined : Int32Array.from(options.labels);
  const classes = options.classes ?? (labels ? numberedClasses(name, labels) : []);
  if (labels) checkLabels(name, labels, length, classes);

  let hash: Promise<string> | undefined;
  return {
    name,
    length,
    shape,
    classes,
    hash() {
      hash ??= Promise.resolve().then(() => {
        const sum = imageHash();
        sum.add(images);
        return sum.digest(labels);
      });
      return hash;
    },
    read(indices) {
      return Promise.resolve().then(() => gather(images, labels, indices, length, pixels));
    },
  };
}

/** H W C after a check that each is a positive integer. */
export function imageBytes(name: string, shape: readonly number[]): number {
  if (shape.length !== 3 || shape.some((side) => !Number.isInteger(side) || side < 1)) {
    throw new DataError(
      `${name}: image shape [${shape.join(', ')}] must be [height, width, channels], each at least 1.`,
    );
  }
  return shape.reduce((product, side) => product * side, 1);
}

/** Throws a RangeError naming the first index that is not an integer in [0, length). */
export function checkIndices(indices: ArrayLike<number>, length: number): void {
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i]!;
    if (!Number.isInteger(index) || index < 0 || index >= length) {
      throw new RangeError(`Index ${index} (at position ${i}) is outside [0, ${length}).`);
    }
  }
}

/** SHA-256 (hex) of the image bytes, in pieces of any size, then of the labels as little-endian int32. */
export function imageHash(): { add(images: Uint8Array): void; digest(labels?: Int32Array): string } {
  const sha = createHash('sha256');
  return {
    add: (images) => void sha.update(images),
    digest(labels) {
      if (labels) sha.update(labelBytes(labels));
      return sha.digest('hex');
    },
  };
}

/** Labels as little-endian int32, whatever the machine's order. */
export function labelBytes(labels: Int32Array): Uint8Array {
  const bytes = new Uint8Array(labels.length * 4);
  const view = new DataView(bytes.buffer);
  labels.forEach((label, i) => view.setInt32(i * 4, label, true));
  return bytes;
}

/** Throws a DataError where there is not one label an image, or one names no class. */
export function checkLabels(name: string, labels: Int32Array, length: number, classes: readonly string[]): void {
  if (labels.length !== length) throw new DataError(`${name}: ${labels.length} labels for ${length} images.`);
  const bad = labels.findIndex((label) => label < 0 || label >= classes.length);
  if (bad >= 0) throw new DataError(`${name}: label ${labels[bad]} of image ${bad} is outside [0, ${classes.length}).`);
}

function gather(
  images: Uint8Array,
  labels: Int32Array | undefined,
  indices: ArrayLike<number>,
  length: number,
  pixels: number,
): ImageBatch {
  checkIndices(indices, length);
  const out = new Uint8Array(indices.length * pixels);
  for (let i = 0; i < indices.length; i++) {
    out.set(images.subarray(indices[i]! * pixels, (indices[i]! + 1) * pixels), i * pixels);
  }
  return labels ? { images: out, labels: Int32Array.from(indices, (index) => labels[index]!) } : { images: out };
}
