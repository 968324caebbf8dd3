/** Whether images got the size and the channels that were asked for: only some sources of data convert images. */
import type { Dataset } from '@dm/data';
import type { Config } from '../config/schema.js';
import { UserError } from '../errors.js';

/**
 * The check of a new run; runs of earlier versions may have options that had no effect.
 *
 * @throws {UserError} `DATA_MISMATCH` if a size, or gray, was asked for although the data are not converted
 */
export function checkConversion({ imageSize, imageChannels, crop }: Config, dataset: Dataset): void {
  checkConverted(dataset, {
    // Crops may be smaller than the resized images.
    size: crop === null ? (imageSize ?? undefined) : undefined,
    // 3 is the default, also in configurations of gray data.
    channels: imageChannels === 1 ? 1 : undefined,
    optionOf: (field, flag, value) => `${field} (${flag}) is ${value}`,
  });
}

export interface WantedImages {
  readonly size: number | undefined;
  readonly channels: number | undefined;
  /** The option as the message quotes it. */
  readonly optionOf: (field: string, flag: string, value: number) => string;
}

/** @throws {UserError} `DATA_MISMATCH` if the images have another size or number of channels than is wanted */
export function checkConverted({ name, shape }: Dataset, { size, channels: wanted, optionOf }: WantedImages): void {
  const [height, width, channels] = shape;
  const isOtherSize = size !== undefined && (size !== height || size !== width);
  if (!isOtherSize && (wanted === undefined || wanted === channels)) return;
  const [option, converted] = isOtherSize
    ? [optionOf('imageSize', '--image-size', size), 'folders, zip archives, and emoji']
    : [optionOf('imageChannels', '--image-channels', wanted!), 'folders and zip archives'];
  throw new UserError(
    `${option}, but ${name} has images of ${height}x${width}x${channels}, and only ${converted} are converted. ` +
      'Omit it, or prepare the data again with dm data prepare.',
    { code: 'DATA_MISMATCH' },
  );
}
