import * as tf from '@tensorflow/tfjs-core';
import { checkFloat } from './checks.js';
import { customOp, emit } from './custom-op.js';

/**
 * SiLU (swish) activation, Elfwing et al. 2017, arXiv:1702.03118: y = x sigmoid(x).
 *
 * x float32 of any shape → y of the same shape.
 * @throws {TypeError} if x is not float32
 */
export function silu(x: tf.Tensor): tf.Tensor {
  checkFloat('silu: x', x);
  return customOp(
    'silu',
    [x],
    () => {
      const [y] = emit('DmSilu', { x }, {}, () => [tf.mul(x, tf.sigmoid(x))]);
      return { y, saved: [x] };
    },
    gradient,
  );
}

/** dx = dy s (1 + x (1 - s)) with s = sigmoid(x). */
function gradient(dy: tf.Tensor, [x]: [tf.Tensor]): tf.Tensor[] {
  return emit('DmSiluGrad', { dy, x }, {}, () => {
    const s = tf.sigmoid(x);
    return [tf.mul(dy, tf.mul(s, tf.add(1, tf.mul(x, tf.sub(1, s)))))];
  });
}
