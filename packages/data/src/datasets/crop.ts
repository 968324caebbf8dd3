import { createHash } from 'node:crypto';
import type { Dataset, ImageBatch } from '../dataset.js';
import { cropImages } from '../batch/crop-images.js';
import { DataError } from '../errors.js';

export interface CropOptions {
  /** Side of the square that is cut out, at most the images' shorter side. */
  readonly size: number;
  /** `center` always; `random` at another place each time that an example comes, in training only. */
  readonly at: 'center' | 'random';
}

/**
 * A set whose images are cut to [size, size, C]. `read` cuts the middle out; with `at: 'random'` there is `readCrops`
 * too, which training uses. `hash` is the SHA-256 of the whole images' hash and of the size, since every part of them
 * is trained on.
 * @throws {DataError} if the images are smaller
 */
export function cropDataset(dataset: Dataset, { size, at }: CropOptions): Dataset {
  const [height, width, channels] = dataset.shape;
  if (!Number.isInteger(size) || size < 1 || size > Math.min(height, width)) {
    throw new DataError(
      `${dataset.name}: a crop of ${size} out of ${height}x${width} images; it must be an integer from 1 to ` +
        `${Math.min(height, width)}.`,
      { code: 'DATA_OPTION' },
    );
  }
  const readCrops = async (indices: ArrayLike<number>, offsets: ArrayLike<number>): Promise<ImageBatch> => {
    const batch = await dataset.read(indices);
    return { ...batch, images: cropImages(batch.images, dataset.shape, size, offsets) };
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
      readCrops(
        indices,
        Array.from({ length: 2 * indices.length }, (_, i) => center[(i % 2) as 0 | 1]),
      ),
    ...(at === 'random' && { readCrops }),
  };
}
