/** Images with their labels. */
export interface ImageBatch {
  /** uint8 [N, H, W, C]. */
  readonly images: Uint8Array;
  /** Class of each image; absent if the dataset has no labels. */
  readonly labels?: Int32Array;
}

/** Types of floats in files. Values are converted to float32 when they are read. */
export type FloatType = 'float16' | 'float32';

/** Floats with their labels. */
export interface FloatBatch {
  /** float32 [N, H, W, C]. */
  readonly values: Float32Array;
  /** Class of each array; absent if the dataset has no labels. */
  readonly labels?: Int32Array;
}

/** Images of one size with random access by index. */
export interface Dataset {
  readonly name: string;
  readonly length: number;
  /** [H, W, C] of every image. */
  readonly shape: readonly [number, number, number];
  /** Names of the classes; empty without labels. */
  readonly classes: readonly string[];
  /** Only with images in files: the path of an image, for messages. */
  readonly nameOf?: (index: number) => string;
  /** Notes for the user, such as skipped files; one sentence each. */
  readonly notes?: readonly string[];
  /**
   * SHA-256 (hex) of the images (or float32 values) in order, followed by the labels as little-endian int32. A run records it, and a resume
   * compares it. `cropDataset` changes it.
   */
  hash(): Promise<string>;
  /**
   * Only with arrays of floats, such as latents, which may have any number of channels: reads them as `read` reads images.
   * `read` raises a DataError then.
   */
  readonly floats?: {
    readonly dtype: FloatType;
    read(indices: ArrayLike<number>): Promise<FloatBatch>;
  };
  /**
   * Reads the images at `indices`, in that order.
   * @throws {RangeError} if an index is outside [0, length)
   * @throws {DataError} if an image cannot be read or decoded
   */
  read(indices: ArrayLike<number>): Promise<ImageBatch>;
  /**
   * Only with random crops (`cropDataset`): like `read`, which crops the center, but the crop of image n is placed at
   * the fractions offsets[2n] of its free rows and offsets[2n + 1] of its free columns, each in [0, 1).
   */
  readonly readCrops?: (indices: ArrayLike<number>, offsets: ArrayLike<number>) => Promise<ImageBatch>;
}
