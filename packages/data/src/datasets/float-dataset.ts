/** Datasets of floats, such as the latents of an autoencoder. */
import type { Dataset, FloatBatch, FloatType } from '../dataset.js';
import { DataError } from '../errors.js';

export interface FloatDatasetOptions {
  readonly name: string;
  readonly length: number;
  /** [H, W, C]; any number of channels. */
  readonly shape: readonly [number, number, number];
  readonly classes: readonly string[];
  readonly notes?: readonly string[];
  readonly dtype: FloatType;
  readonly read: (indices: ArrayLike<number>) => Promise<FloatBatch>;
  readonly hash: () => Promise<string>;
}

/** A dataset of floats, whose `read` raises an error that explains it. The hash is computed once. */
export function floatDataset({ dtype, read, hash, ...about }: FloatDatasetOptions): Dataset {
  let hashed: Promise<string> | undefined;
  return {
    ...about,
    hash() {
      hashed ??= hash();
      return hashed;
    },
    read: () =>
      Promise.reject(
        new DataError(
          `${about.name}: ${dtype} [${about.length}, ${about.shape.join(', ')}] is read as latents, but images (uint8) are ` +
            'needed here. Decode the latents, and pass the images.',
          { code: 'DATA_OPTION' },
        ),
      ),
    floats: { dtype, read },
  };
}

/** Bytes of float32 values, little-endian as on all supported machines: what hashes and hold-out are computed from. */
export function bytesOfFloats(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

type Shape = readonly [height: number, width: number, channels: number];

/** Converts floats [N, C, H, W] to [N, H, W, C]. */
export function channelsLast(values: Float32Array, [height, width, channels]: Shape): Float32Array {
  return transposed(values, channels, height * width);
}

/** Converts floats [N, H, W, C] to [N, C, H, W]; the inverse of `channelsLast`. */
export function channelsFirst(values: Float32Array, [height, width, channels]: Shape): Float32Array {
  return transposed(values, height * width, channels);
}

/** Converts [N, rows, columns] to [N, columns, rows]. */
function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let start = 0; start < values.length; start += rows * columns) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        out[start + column * rows + row] = values[start + row * columns + column]!;
      }
    }
  }
  return out;
}
