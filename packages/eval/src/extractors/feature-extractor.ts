/** What tells one extractor's features from another's: numbers may be compared only where all of it agrees. */
export interface ExtractorIdentity {
  readonly name: string;
  /** SHA-256 (hex) of the weights. */
  readonly weightsSha256: string;
  /** How images were brought to the network's size, such as `none` or `bilinear 299x299`. */
  readonly resize: string;
  readonly dimensions: number;
  /** Whether its Fréchet distance is the FID that papers publish. */
  readonly comparable: boolean;
}

/** Bytes of images: uint8 [N, H, W, C]. */
export interface ImageBytes {
  readonly data: Uint8Array;
  readonly shape: readonly [number, number, number, number];
}

export interface ExtractedBatch {
  /** [N, dimensions] */
  readonly features: Float32Array;
  /** [N, classes], before the softmax. */
  readonly logits?: Float32Array;
  /** [N, d] of a map of the network that still has places, flattened: what sFID is taken of. */
  readonly spatial?: Float32Array;
}

/** A network whose activations stand for images. */
export interface FeatureExtractor extends ExtractorIdentity {
  readonly hasLogits: boolean;
  /** Whether it gives `spatial`. */
  readonly hasSpatial?: boolean;
  features(images: ImageBytes): Promise<ExtractedBatch>;
  dispose(): Promise<void>;
}
