/** A network as a feature extractor: one compiled program, run with a fixed batch size. */
import { type Arrays, checkInteger, type Engine, float32, type StateHandle, type Tensors } from '@dm/ops';
import type * as tf from '@tensorflow/tfjs-core';
import { EvalError } from '../errors.js';
import { concatFloat32 } from '../concat-float32.js';
import type { ExtractedBatch, ExtractorIdentity, FeatureExtractor, ImageBytes } from './feature-extractor.js';

export interface ExtractorEngineOptions {
  /** Compute engine. Stays open when the extractor is disposed. */
  readonly engine: Engine;
  /** Images per run of the network. The last batch is padded to this size. */
  readonly batchSize?: number;
}

/** A network with its weights and preprocessing. */
export interface Network extends ExtractorIdentity {
  /** Weights with the names that `apply` uses; HWIO kernels. */
  readonly weights: Arrays;
  readonly hasLogits: boolean;
  readonly hasSpatial?: boolean;
  readonly imageShape?: readonly [number, number, number];
  /** Resizes images for `apply`, if it does not do so itself. */
  readonly prepare?: (images: ImageBytes) => Promise<ImageBytes>;
  /**
   * float32 [N, H, W, C] in [0, 255] → features [N, dimensions], logits [N, classes] and spatial [N, d]. Called while
   * the engine traces.
   * @throws {EvalError} if images of this shape are not supported
   */
  apply(weights: Tensors, images: tf.Tensor4D): NetworkOutputs;
}

export interface NetworkOutputs {
  readonly features: tf.Tensor;
  readonly logits?: tf.Tensor;
  readonly spatial?: tf.Tensor;
}

/**
 * Checks before any work that an extractor takes images of the shape [H, W, C].
 * @throws {EvalError} `IMAGES_UNSUPPORTED` if it does not
 */
export function checkImages(
  { name, imageShape }: Pick<FeatureExtractor, 'name' | 'imageShape'>,
  shape: readonly [number, number, number],
): void {
  const given = shape.join('x');
  if (imageShape !== undefined && given !== imageShape.join('x')) {
    throw new EvalError(
      'IMAGES_UNSUPPORTED',
      `The extractor ${name} takes images of ${imageShape.join('x')} (height x width x channels), got ${given}.`,
    );
  }
  if (shape[2] === 1 || shape[2] === 3) return;
  throw new EvalError(
    'IMAGES_UNSUPPORTED',
    `The extractor ${name} takes gray or RGB images, got ${shape[2]} channels.`,
  );
}

/**
 * The extractor of a network. Every run has `batchSize` images, so that the engine compiles once per image size.
 * @throws {RangeError} if the batch size is not a positive integer
 */
export function createNetworkExtractor(network: Network, options: ExtractorEngineOptions): FeatureExtractor {
  const { engine, batchSize = 16 } = options;
  checkInteger('extractor: batchSize', batchSize, 1);
  const { name, weightsSha256, resize, dimensions, comparable, hasLogits, hasSpatial = false, imageShape } = network;
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
    ...(imageShape !== undefined && { imageShape }),
    async features(images) {
      const [count, ...shape] = images.shape;
      checkImages({ name, ...(imageShape !== undefined && { imageShape }) }, shape);
      const size = shape.reduce((product, length) => product * length, 1);
      const parts: Record<keyof ExtractedBatch, Float32Array[]> = { features: [], logits: [], spatial: [] };
      for (let start = 0; start < count; start += batchSize) {
        const n = Math.min(batchSize, count - start);
        const batch = {
          data: images.data.subarray(start * size, (start + n) * size),
          shape: [n, ...shape] as const,
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
