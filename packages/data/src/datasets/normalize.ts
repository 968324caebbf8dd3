import { checkNumber, checkPositive } from '@dm/ops';
import type { Dataset, FloatBatch } from '../dataset.js';
import { DataError } from '../errors.js';

export interface ChannelScaling {
  /** Subtracted from each channel, [C]. */
  readonly mean: readonly number[];
  /** Factor of each channel after that, [C]. */
  readonly scale: readonly number[];
}

/**
 * Scales a dataset of floats: (x - mean) scale in each channel. `hash` is unchanged.
 * @throws {DataError} if the dataset has images of bytes, or `mean` and `scale` do not have one number per channel
 * @throws {RangeError} if a scale is not positive, or a number is not finite
 */
export function normalizeDataset(dataset: Dataset, { mean, scale }: ChannelScaling): Dataset {
  const { floats, name, shape } = dataset;
  const channels = shape[2];
  if (floats === undefined) {
    throw new DataError(
      `${name}: its images are bytes, which are always scaled to [-1, 1]; only latents have a scale.`,
      {
        code: 'DATA_OPTION',
      },
    );
  }
  for (const [field, given] of [
    ['mean', mean],
    ['scale', scale],
  ] as const) {
    if (given.length !== channels) {
      throw new DataError(`${name}: latents.${field} has ${given.length} numbers for ${channels} channels.`, {
        code: 'DATA_OPTION',
      });
    }
  }
  mean.forEach((value, c) => checkNumber(`mean[${c}]`, value));
  scale.forEach((value, c) => checkPositive(`scale[${c}]`, value));
  const read = async (indices: ArrayLike<number>): Promise<FloatBatch> => {
    const { values, labels } = await floats.read(indices);
    const scaled = new Float32Array(values.length);
    for (let i = 0; i < values.length; i++) scaled[i] = (values[i]! - mean[i % channels]!) * scale[i % channels]!;
    return { values: scaled, ...(labels && { labels }) };
  };
  // The scaled values are not exact in float16.
  return { ...dataset, floats: { dtype: 'float32', read } };
}

/**
 * The inverse of `normalizeDataset`: x / scale + mean in each channel of float32 [N, H, W, C], as a new array.
 */
export function denormalizeFloats(values: Float32Array, { mean, scale }: ChannelScaling): Float32Array {
  const channels = mean.length;
  return values.map((value, i) => value / scale[i % channels]! + mean[i % channels]!);
}
