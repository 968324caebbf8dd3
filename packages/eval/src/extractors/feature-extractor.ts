/** Identifies an extractor: numbers may be compared only if all fields agree. */
export interface ExtractorIdentity {
  readonly name: string;
  /** SHA-256 (hex) of the weights. */
  readonly weightsSha256: string;
  /** How images are resized for the network, such as `none` or `bilinear 299x299`. */
  readonly resize: string;
  readonly dimensions: number;
  /** Whether its Fréchet distance is the published FID. */
  readonly comparable: boolean;
}

/** Images, uint8 [N, H, W, C]. */
export interface ImageBytes {
  readonly data: Uint8Array;
  readonly shape: readonly [number, number, number, number];
}

export interface ExtractedBatch {
  /** [N, dimensions] */
  readonly features: Float32Array;
  /** [N, classes], before the softmax. */
  readonly logits?: Float32Array;
  /** [N, d], a flattened spatial feature map, for sFID. */
  readonly spatial?: Float32Array;
}

/** Computes features of images, usually activations of a network. */
export interface FeatureExtractor extends ExtractorIdentity {
  readonly hasLogits: boolean;
  /** Whether it provides `spatial`. */
  readonly hasSpatial?: boolean;
  /** [H, W, C] of the images, if it takes only one shape. */
  readonly imageShape?: readonly [number, number, number];
  features(images: ImageBytes): Promise<ExtractedBatch>;
  dispose(): Promise<void>;
}
