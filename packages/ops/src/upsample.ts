import * as tf from '@tensorflow/tfjs-core';
import { checkInteger, checkShape } from './checks.js';
import { customOp, emit } from './custom-op.js';

export interface UpsampleNearestOptions {
  /** Integer factor for height and width. Default 2. */
  readonly factor?: number;
}

/**
 * Nearest-neighbor upsampling by an integer factor: y[n, i, j, c] = x[n, floor(i / factor), floor(j / factor), c].
 *
 * x float32 [N, H, W, C] → y [N, H factor, W factor, C].
 * @throws {TypeError} if x is not float32
 * @throws {RangeError} if x is not of rank 4, or `factor` is not a positive integer
 */
export function upsampleNearest(x: tf.Tensor, { factor = 2 }: UpsampleNearestOptions = {}): tf.Tensor {
  checkShape('upsampleNearest: x', x, ['N', 'H', 'W', 'C']);
  checkInteger('upsampleNearest: factor', factor, 1);
  return customOp(
    'upsampleNearest',
    [x],
    () => {
      const [y] = emit('DmUpsampleNearest', { x }, { factor }, () => [repeat(x, factor)]);
      return { y, saved: [] };
    },
    (dy) => emit('DmUpsampleNearestGrad', { dy }, { factor }, () => [sumBlocks(dy, factor)]),
  );
}

function repeat(x: tf.Tensor, factor: number): tf.Tensor {
  const [n, h, w, c] = x.shape as [number, number, number, number];
  const rows = tf.tile(tf.reshape(x, [n * h, 1, w * c]), [1, factor, 1]);
  const pixels = tf.tile(tf.reshape(rows, [n * h * factor * w, 1, c]), [1, factor, 1]);
  return tf.reshape(pixels, [n, h * factor, w * factor, c]);
}

/** The gradient: sums each block of factor × factor pixels of dy. */
function sumBlocks(dy: tf.Tensor, factor: number): tf.Tensor {
  const [n, height, width, c] = dy.shape as [number, number, number, number];
  const [h, w] = [height / factor, width / factor];
  const rows = tf.sum(tf.reshape(dy, [n * h, factor, width * c]), 1);
  return tf.reshape(tf.sum(tf.reshape(rows, [n * h * w, factor, c]), 1), [n, h, w, c]);
}
