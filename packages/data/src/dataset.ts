/** Images as they are kept: bytes, NHWC, with labels where the set has them. */
export interface ImageBatch {
  /** uint8 [N, H, W, C]. */
  readonly images: Uint8Array;
  /** Class of each image; absent where the set has none. */
  readonly labels?: Int32Array;
}

/** A set of equally sized images that can be read by index, in any order. */
export interface Dataset {
  readonly name: string;
  readonly length: number;
  /** [H, W, C] of every image. */
  readonly shape: readonly [number, number, number];
  /** Names of the classes; empty where the set has no labels. */
  readonly classes: readonly string[];
  /** What a person should know about the set, such as files that were left out: one sentence each. */
  readonly notes?: readonly string[];
  /**
   * SHA-256 (hex) of the images in order, then labels as little-endian int32: what a run records and a resume compares.
   * Sets that are cut have another one (`cropDataset`).
   */
  hash(): Promise<string>;
  /**
   * Reads the images at `indices`, in that order.
   * @throws {RangeError} on an index outside [0, length)
   */
  read(indices: ArrayLike<number>): Promise<ImageBatch>;
  /**
   * Only sets that are cut at random offsets (`cropDataset`) have it: as `read`, which cuts the middle out, but image n is
   * cut at the part offsets[2n] of its free rows and offsets[2n + 1] of its free columns, each in [0, 1).
   */
  readonly readCrops?: (indices: ArrayLike<number>, offsets: ArrayLike<number>) => Promise<ImageBatch>;
}
