import type { Dataset, ImageBatch } from '../dataset.js';
import { DataError } from '../errors.js';
import { checkIndices, checkLabels, imageBytes, numberedClasses, toLabels } from '../checks.js';
import { labelBytes } from '../label-bytes.js';
import type { Sha256 } from '../sha256.js';

export interface MemoryDatasetOptions {
  readonly name: string;
  /** uint8 [N, H, W, C]; not copied. */
  readonly images: Uint8Array;
  /** [H, W, C]. */
  readonly shape: readonly [number, number, number];
  /** Class of each image, in [0, classes.length) if `classes` is given. */
  readonly labels?: ArrayLike<number>;
  readonly classes?: readonly string[];
}

/** A dataset of images in memory; see `createMemoryDataset`. */
export function memoryDataset(options: MemoryDatasetOptions, sha256: Sha256): Dataset {
  const { name, images, shape } = options;
  const pixels = imageBytes(name, shape);
  if (images.length === 0) throw new DataError(`${name}: no images.`, { code: 'DATA_EMPTY' });
  if (images.length % pixels !== 0) {
    throw new DataError(`${name}: ${images.length} bytes are not a multiple of the image shape ${shape.join('x')}.`);
  }
  const length = images.length / pixels;
  const labels = options.labels === undefined ? undefined : toLabels(name, options.labels);
  const numbered = labels && !options.classes ? numberedClasses(labels) : undefined;
  const classes = options.classes ?? numbered?.classes ?? [];
  if (labels) checkLabels(name, labels, length, classes);

  let hash: Promise<string> | undefined;
  return {
    name,
    length,
    shape,
    classes,
    ...(numbered && numbered.notes.length > 0 && { notes: numbered.notes }),
    hash() {
      hash ??= Promise.resolve().then(() => sha256(labels === undefined ? [images] : [images, labelBytes(labels)]));
      return hash;
    },
    read(indices) {
      return Promise.resolve().then(() => gather(images, labels, indices, length, pixels));
    },
  };
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
