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
  /** SHA-256 (hex) of the images in order, then labels: what a run records and a resume compares. */
  hash(): Promise<string>;
  /** Reads the images at `indices`, in that order. Throws a RangeError on an index outside [0, length). */
  read(indices: ArrayLike<number>): Promise<ImageBatch>;
}
