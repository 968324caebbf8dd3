/** Conversion of images to patches and back. Transposes have rank 4, which every backend supports. */
import * as tf from '@tensorflow/tfjs-core';
import { block, declare, declareCost, type Scope } from '../scope.js';
import type { LayerInit, Unit } from '../units.js';

/** [N, H, W, C] → [N · H/p · W/p, p · p · C]: the pixels of each patch in row-major order. */
function toPatches(x: tf.Tensor, patch: number): tf.Tensor {
  const [n, height, width, channels] = x.shape as [number, number, number, number];
  const [rows, columns] = [height / patch, width / patch];
  const strips = tf.reshape(x, [n * rows, patch, columns, patch * channels]);
  return tf.reshape(tf.transpose(strips, [0, 2, 1, 3]), [n * rows * columns, patch * patch * channels]);
}

/** [N, T, p · p · C] → [N, side · p, side · p, C] for T = side² patches. */
export function fromPatches(tokens: tf.Tensor, patch: number, side: number, channels: number): tf.Tensor {
  const strips = tf.reshape(tokens, [-1, side, patch, patch * channels]);
  return tf.reshape(tf.transpose(strips, [0, 2, 1, 3]), [-1, side * patch, side * patch, channels]);
}

/**
 * Checks that x [N, H, W, C] has the image size of the position embedding.
 * @throws {Error} if height or width is not `size`
 */
export function checkImageSize(kind: string, x: tf.Tensor, size: number): void {
  const [, height, width] = x.shape;
  if (height !== size || width !== size) {
    throw new Error(`${kind}: images must be ${size} x ${size}, got ${height} x ${width}`);
  }
}

interface PatchEmbeddingShape {
  readonly channels: number;
  /** Side of a patch in pixels. */
  readonly patch: number;
  readonly hidden: number;
  /** T, the number of patches per image. */
  readonly tokens: number;
  readonly init: LayerInit;
}

/**
 * timm's `PatchEmbed`: a convolution with stride = kernel size, computed as a matrix product. [N, H, W, C] → [N, T, D].
 */
export function patchEmbedding(scope: Scope, { channels, patch, hidden, tokens, init }: PatchEmbeddingShape): Unit {
  const fanIn = patch * patch * channels;
  const start = init(fanIn, hidden);
  const weight = declare(scope, 'weight', {
    kind: 'conv',
    shape: [patch, patch, channels, hidden],
    init: start.weight,
  });
  const bias = declare(scope, 'bias', { kind: 'vector', shape: [hidden], init: start.bias });
  declareCost(scope, { kind: 'conv', multiplyAdds: tokens * hidden * fanIn, outputs: tokens * hidden });
  return block(scope, (ctx, x) => {
    const product = tf.matMul(toPatches(x, patch), tf.reshape(weight(ctx), [fanIn, hidden]));
    return tf.reshape(tf.add(product, bias(ctx)), [-1, tokens, hidden]);
  });
}
