/** The data sets of the experiments: CIFAR-10, or MNIST downsampled so that hundreds of runs are affordable. */
import { permutation } from '@dm/core';
import { createMemoryDataset, halveImages, openDataset, openMnist, type Dataset, type Split } from '@dm/data';
import type { Size } from '../recipe/sizes.js';

/** Height and width of the images. */
export const SIDE = 12;
/** Height and width of MNIST, and pixels cropped at each edge, which are black in nearly all digits. */
const FULL = 28;
const MARGIN = 2;

/** MNIST cropped to the central 24x24 pixels and downsampled to 12x12 by 2x2 means: the first `limit` images. */
export async function loadMnist12(split: Split, limit?: number): Promise<Dataset> {
  const full = await openMnist({ split });
  const count = Math.min(limit ?? full.length, full.length);
  const { images, labels } = await full.read(Uint32Array.from({ length: count }, (_, i) => i));
  return createMemoryDataset({
    name: `${full.name} at ${SIDE}x${SIDE}`,
    images: downsample(images, count),
    shape: [SIDE, SIDE, 1],
    labels: labels!,
    classes: full.classes,
  });
}

/** Opens a data set of the experiments: its first `limit` images. */
export async function openData(data: Size['data'], split: Split, limit?: number): Promise<Dataset> {
  if (data === 'mnist-12') return loadMnist12(split, limit);
  const full = await openDataset('cifar10', { split });
  if (limit === undefined || limit >= full.length) return full;
  const { images, labels } = await full.read(Uint32Array.from({ length: limit }, (_, i) => i));
  return createMemoryDataset({ name: full.name, images, shape: full.shape, labels: labels!, classes: full.classes });
}

/** Crops and downsamples images, uint8 [N, 28, 28] → uint8 [N, 12, 12]. */
export function downsample(images: Uint8Array, count: number): Uint8Array {
  const halved = halveImages(images.subarray(0, count * FULL * FULL), [FULL, FULL, 1]);
  const [row, margin] = [FULL / 2, MARGIN / 2];
  const small = new Uint8Array(count * SIDE * SIDE);
  for (let i = 0; i < count * SIDE; i++) {
    const at = (Math.floor(i / SIDE) * row + (i % SIDE) + margin) * row + margin;
    small.set(halved.subarray(at, at + SIDE), i * SIDE);
  }
  return small;
}

/** Splits off the last `count` images, for validation. */
export async function holdOut(
  dataset: Dataset,
  count: number,
): Promise<{ readonly train: Dataset; readonly validation: Dataset }> {
  const end = dataset.length - count;
  return { train: await between(dataset, 0, end), validation: await between(dataset, end, dataset.length) };
}

/** The images with an index in [from, to), without labels. */
async function between(dataset: Dataset, from: number, to: number): Promise<Dataset> {
  const { images } = await dataset.read(Uint32Array.from({ length: to - from }, (_, i) => from + i));
  return createMemoryDataset({ name: `${dataset.name}, ${from} to ${to - 1}`, images, shape: dataset.shape });
}

/** The images with even (0) or odd (1) index: two disjoint halves of a data set. */
export async function halfSplit(dataset: Dataset, which: 0 | 1): Promise<Dataset> {
  const indices = Uint32Array.from({ length: Math.floor((dataset.length + 1 - which) / 2) }, (_, i) => 2 * i + which);
  const { images, labels } = await dataset.read(indices);
  return createMemoryDataset({
    name: `${dataset.name}, half ${which}`,
    images,
    shape: dataset.shape,
    ...(labels !== undefined && { labels, classes: dataset.classes }),
  });
}

/** `count` evenly spaced indices below `length`, because MNIST's test set is not in random order. */
export function evenlySpacedIndices(count: number, length: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, i) => Math.floor((i * length) / count));
}

/**
 * Indices of `count` disjoint sets of images, drawn at random from `length` images, the same in every run. At regular
 * intervals the sets would differ: in MNIST, images with even and with odd indices are by different groups of writers.
 */
export function disjointSets(count: number, size: number, length: number): Uint32Array[] {
  if (count * size > length) throw new RangeError(`${count} sets of ${size} images need more than ${length} images.`);
  const order = permutation({ seed: 0, stream: 'evaluation', lane: 3 }, length);
  return Array.from({ length: count }, (_, k) => order.subarray(k * size, (k + 1) * size));
}
