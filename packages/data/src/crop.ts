import { createHash } from 'node:crypto';
import type { Dataset, ImageBatch } from './dataset.js';
import { DataError } from './error.js';

export interface CropOptions {
  /** Side of the square that is cut out, at most the images' shorter side. */
  readonly size: number;
  /** `center` always; `random` at another place each time that an example comes, in training only. */
  readonly at: 'center' | 'random';
}

/**
 * A set whose images are cut to [size, size, C]. `read` cuts the middle out; with `at: 'random'` there is `readAt` too,
 * which training uses. `hash` is the SHA-256 of the whole images' hash and of the size, since every part of them is
 * trained on. Throws a DataError where the images are smaller.
 */
export function cropDataset(dataset: Dataset, { size, at }: CropOptions): Dataset {
  const [height, width, channels] = dataset.shape;
  if (!Number.isInteger(size) || size < 1 || size > Math.min(height, width)) {
    throw new DataError(
      `${dataset.name}: a crop of ${size} out of ${height}x${width} images; it must be an integer from 1 to ` +
        `${Math.min(height, width)}.`,
    );
  }
  const readAt = async (indices: ArrayLike<number>, places: ArrayLike<number>): Promise<ImageBatch> => {
    const batch = await dataset.read(indices);
    return { ...batch, images: cropImages(batch.images, dataset.shape, size, places) };
  };
  // Half of the free rows and columns above and left, rounded down.
  const middle = (free: number): number => Math.floor(free / 2) / (free + 1);
  const center = [middle(height - size), middle(width - size)] as const;
  return {
    ...dataset,
    shape: [size, size, channels],
    hash: async () =>
      createHash('sha256')
        .update(`${await dataset.hash()} crop ${size}`)
        .digest('hex'),
    read: (indices) =>
      readAt(
        indices,
        Array.from({ length: 2 * indices.length }, (_, i) => center[(i % 2) as 0 | 1]),
      ),
    ...(at === 'random' && { readAt }),
  };
}

/**
 * Cuts image n of uint8 [N, H, W, C] out from row floor(places[2n] (H - size + 1)) and column
 * floor(places[2n + 1] (W - size + 1)): each place equally likely where `places` are uniform in [0, 1).
 */
export function cropImages(
  images: Uint8Array,
  [height, width, channels]: readonly [number, number, number],
  size: number,
  places: ArrayLike<number>,
): Uint8Array {
  const count = images.length / (height * width * channels);
  const out = new Uint8Array(count * size * size * channels);
  for (let n = 0; n < count; n++) {
    const top = Math.floor(places[2 * n]! * (height - size + 1));
    const left = Math.floor(places[2 * n + 1]! * (width - size + 1));
    for (let y = 0; y < size; y++) {
      const start = ((n * height + top + y) * width + left) * channels;
      out.set(images.subarray(start, start + size * channels), (n * size + y) * size * channels);
    }
  }
  return out;
}
