/** Images to patches and back. Transposes of rank 4 only, which every backend has. */
import * as tf from '@tensorflow/tfjs-core';

/** [N, H, W, C] → [N · H/p · W/p, p · p · C]: the pixels of each patch, row by row. */
export function toPatches(x: tf.Tensor, patch: number): tf.Tensor {
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
