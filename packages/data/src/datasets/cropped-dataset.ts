import type { Dataset, ImageBatch } from '../dataset.js';
import { cropImages } from '../batch/crop-images.js';
import { DataError } from '../errors.js';
import type { Sha256 } from '../sha256.js';

export interface CropOptions {
  /** Side of the square crop, at most the shorter side of the images. */
  readonly size: number;
  /** `center`; or `random`, at another position each time an example is used in training. */
  readonly at: 'center' | 'random';
}

/** Crops the images of a dataset; see `cropDataset`. */
export function croppedDataset(dataset: Dataset, { size, at }: CropOptions, sha256: Sha256): Dataset {
  const [height, width, channels] = dataset.shape;
  if (dataset.floats !== undefined) {
    throw new DataError(`${dataset.name}: latents cannot be cropped. Crop the images before they are encoded.`, {
      code: 'DATA_OPTION',
    });
  }
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
  // Half of the free rows (columns) above (left), rounded down.
  const middle = (free: number): number => Math.floor(free / 2) / (free + 1);
  const center = [middle(height - size), middle(width - size)] as const;
  const { readCrops: _ofWhole, ...rest } = dataset;
  return {
    ...rest,
    shape: [size, size, channels],
    hash: async () => sha256([new TextEncoder().encode(`${await dataset.hash()} crop ${size}`)]),
    read: (indices) =>
      readCrops(
        indices,
        Array.from({ length: 2 * indices.length }, (_, i) => center[(i % 2) as 0 | 1]),
      ),
    ...(at === 'random' && { readCrops }),
  };
}
