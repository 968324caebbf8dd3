/** A network as a feature extractor: one program on an engine, run in batches of one size. */
import { type Arrays, checkInteger, type Engine, float32, type StateHandle, type Tensors } from '@dm/ops';
import type * as tf from '@tensorflow/tfjs-core';
import { EvalError } from '../errors.js';
import { concatFloat32 } from '../concat-float32.js';
import type { ExtractedBatch, ExtractorIdentity, FeatureExtractor, ImageBytes } from './feature-extractor.js';

export interface ExtractorEngineOptions {
  /** What computes. It stays open when the extractor is disposed of. */
  readonly engine: Engine;
  /** Images that are computed at a time. Any number may be asked for; the last ones are filled up to a whole batch. */
  readonly batchSize?: number;
}

/** A network, its weights and how images come to it. */
export interface Network extends ExtractorIdentity {
  /** By the names that `apply` uses, in memory's layout. */
  readonly weights: Arrays;
  readonly hasLogits: boolean;
  readonly hasSpatial?: boolean;
  /** Brings images to the size that `apply` wants, where it does not do so itself. */
  readonly prepare?: (images: ImageBytes) => Promise<ImageBytes>;
  /**
   * float32 [N, H, W, C] from 0 to 255 → features [N, dimensions], logits [N, classes] and spatial [N, d]. Runs while
   * an engine traces.
   * @throws {EvalError} on images that it cannot take
   */
  apply(weights: Tensors, images: tf.Tensor4D): NetworkOutputs;
}

export interface NetworkOutputs {
  readonly features: tf.Tensor;
  readonly logits?: tf.Tensor;
  readonly spatial?: tf.Tensor;
}

/**
 * The extractor of a network. Every run has `batchSize` images, so that an engine that compiles does it once for each
 * size of image.
 * @throws {RangeError} on a batch size that is not a positive integer
 */
export function createNetworkExtractor(network: Network, options: ExtractorEngineOptions): FeatureExtractor {
  const { engine, batchSize = 16 } = options;
  checkInteger('extractor: batchSize', batchSize, 1);
  const { name, weightsSha256, resize, dimensions, comparable, hasLogits, hasSpatial = false } = network;
  const program = engine.compile(
    (state, { images }) => ({ outputs: { ...network.apply(state, images as tf.Tensor4D) } }),
    { name },
  );
  let loaded: Promise<StateHandle> | undefined;

  async function run(images: ImageBytes): Promise<Arrays> {
    const { data, shape } = images;
    const size = shape[1] * shape[2] * shape[3];
    const padded = new Float32Array(batchSize * size);
    padded.set(data);
    loaded ??= program.load(network.weights);
    const inputs = { images: float32(padded, [batchSize, ...shape.slice(1)]) };
    return program.run(await loaded, inputs);
  }

  return {
    name,
    weightsSha256,
    resize,
    dimensions,
    comparable,
    hasLogits,
    hasSpatial,
    async features(images) {
      const { shape } = images;
      const [count, ...imageShape] = shape;
      if (imageShape[2] !== 1 && imageShape[2] !== 3) {
        throw new EvalError(
          'IMAGES_UNSUPPORTED',
          `${name} takes gray or RGB images, not images of ${imageShape[2]} channels.`,
        );
      }
      const size = imageShape.reduce((product, length) => product * length, 1);
      const parts: Record<keyof ExtractedBatch, Float32Array[]> = { features: [], logits: [], spatial: [] };
      for (let start = 0; start < count; start += batchSize) {
        const n = Math.min(batchSize, count - start);
        const batch = {
          data: images.data.subarray(start * size, (start + n) * size),
          shape: [n, ...imageShape] as const,
        };
        const outputs = await run(network.prepare === undefined ? batch : await network.prepare(batch));
        for (const [key, { data, shape: padded }] of Object.entries(outputs)) {
          parts[key as keyof ExtractedBatch].push((data as Float32Array).subarray(0, n * padded[1]!));
        }
      }
      return {
        features: concatFloat32(parts.features),
        ...(hasLogits && { logits: concatFloat32(parts.logits) }),
        ...(hasSpatial && { spatial: concatFloat32(parts.spatial) }),
      };
    },
    async dispose() {
      (await loaded)?.dispose();
      await program.dispose();
    },
  };
}
