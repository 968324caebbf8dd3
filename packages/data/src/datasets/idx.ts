import type { Dataset } from '../dataset.js';
import { DataError } from '../errors.js';
import { readIdx } from '../formats/idx.js';
import { checkLimit, resolveLimits, type DataLimits } from '../limits.js';
import { createMemoryDataset } from './memory.js';

export interface IdxOptions {
  /** Image file: [N, H, W] or [N, H, W, C], optionally gzipped. */
  readonly images: string;
  /** Label file: [N], optionally gzipped. */
  readonly labels?: string;
  /** Name of the dataset. Default: the name of the image file. */
  readonly name?: string;
  /** Class names. Default: '0', '1', ... up to the highest label. */
  readonly classes?: readonly string[];
  /** Resource limits. */
  readonly limits?: Partial<DataLimits>;
}

/**
 * Images and optional labels from idx files.
 * @throws {DataError} if a file is missing or damaged, has another shape, or the numbers of images and labels differ
 */
export async function openIdx(options: IdxOptions): Promise<Dataset> {
  const images = await readIdx(options.images, options.limits);
  const [count, height, width, channels = 1] = images.shape;
  if (images.shape.length < 3 || images.shape.length > 4) {
    throw new DataError(
      `${options.images}: an image file has 3 or 4 dimensions, [N, H, W] or [N, H, W, C]; this has ${images.shape.length}: ` +
        `[${images.shape.join(', ')}]. Is it the label file?`,
    );
  }
  checkLimit(`${options.images}: images`, count!, resolveLimits(options.limits), 'maxImages');
  const labels = options.labels === undefined ? undefined : await readIdx(options.labels, options.limits);
  if (labels && labels.shape.length !== 1) {
    throw new DataError(`${options.labels}: a label file has 1 dimension; this has [${labels.shape.join(', ')}].`);
  }
  if (labels && labels.shape[0] !== count) {
    throw new DataError(`${options.labels}: ${labels.shape[0]} labels, but ${options.images} has ${count} images.`);
  }
  return createMemoryDataset({
    name: options.name ?? options.images,
    images: images.data,
    shape: [height!, width!, channels],
    ...(labels && { labels: labels.data }),
    ...(options.classes && { classes: options.classes }),
  });
}
