import * as tf from '@tensorflow/tfjs-core';
import { checkFloat, checkPositive, checkShape } from './checks.js';
import { customOp, emit } from './custom-op.js';

export interface LayerNormOptions {
  /** [C]. `scale` and `offset` must be given together. */
  readonly scale?: tf.Tensor;
  /** [C]. */
  readonly offset?: tf.Tensor;
  /** Added to the variance. Default 1e-5, as in PyTorch. */
  readonly epsilon?: number;
}

/**
 * Layer normalization, Ba et al. 2016, arXiv:1607.06450, over the last axis:
 * y = (x - mean) / sqrt(variance + epsilon) [* scale + offset], with the biased variance.
 *
 * x float32 [..., C] → y of the shape of x.
 * @throws {TypeError} if a tensor is not float32
 * @throws {RangeError} if a shape is wrong, only one of `scale` and `offset` is given, or `epsilon` is not positive
 */
export function layerNorm(x: tf.Tensor, { scale, offset, epsilon = 1e-5 }: LayerNormOptions = {}): tf.Tensor {
  checkFloat('layerNorm: x', x);
  if (x.rank < 1) throw new RangeError('layerNorm: x must be [..., C], got a scalar');
  checkPositive('layerNorm: epsilon', epsilon);
  if ((scale === undefined) !== (offset === undefined)) {
    throw new RangeError(`layerNorm: scale and offset must be given together, got only ${scale ? 'scale' : 'offset'}`);
  }
  const affine = scale !== undefined && offset !== undefined ? { scale, offset } : undefined;
  if (affine !== undefined) {
    checkShape('layerNorm: scale', affine.scale, [x.shape.at(-1)!]);
    checkShape('layerNorm: offset', affine.offset, [x.shape.at(-1)!]);
  }
  return customOp<Saved>(
    'layerNorm',
    affine ? [x, affine.scale, affine.offset] : [x],
    () => {
      const [y, mean, invStd] = emit('DmLayerNorm', { x, ...affine }, { epsilon }, () => forward(x, affine, epsilon));
      return { y, saved: affine ? [x, mean, invStd, affine.scale] : [x, mean, invStd] };
    },
    (dy, saved) => emit('DmLayerNormGrad', { dy, ...named(saved) }, {}, () => backward(dy, saved)),
  );
}

type Saved = [x: tf.Tensor, mean: tf.Tensor, invStd: tf.Tensor, ...scale: tf.Tensor[]];

const named = ([x, mean, invStd, scale]: Saved) => ({ x, mean, invStd, ...(scale && { scale }) });

const column = (t: tf.Tensor) => tf.expandDims(t, -1);

function forward(
  x: tf.Tensor,
  affine: { readonly scale: tf.Tensor; readonly offset: tf.Tensor } | undefined,
  epsilon: number,
): [tf.Tensor, tf.Tensor, tf.Tensor] {
  const mean = tf.mean(x, -1, true);
  const centered = tf.sub(x, mean);
  const invStd = tf.rsqrt(tf.add(tf.mean(tf.square(centered), -1, true), epsilon));
  const normalized = tf.mul(centered, invStd);
  const y = affine ? tf.add(tf.mul(normalized, affine.scale), affine.offset) : normalized;
  const rows = x.shape.slice(0, -1);
  return [y, tf.reshape(mean, rows), tf.reshape(invStd, rows)];
}

/**
 * With xh = (x - mean) invStd, g = scale dy, and E the mean over the last axis: dx = invStd (g - E[g] - xh E[g xh]).
 */
function backward(dy: tf.Tensor, [x, mean, invStd, scale]: Saved): [tf.Tensor] | [tf.Tensor, tf.Tensor, tf.Tensor] {
  const xh = tf.mul(tf.sub(x, column(mean)), column(invStd));
  const g = scale ? tf.mul(dy, scale) : dy;
  const inner = tf.sub(tf.sub(g, tf.mean(g, -1, true)), tf.mul(xh, tf.mean(tf.mul(g, xh), -1, true)));
  const dx = tf.mul(inner, column(invStd));
  if (scale === undefined) return [dx];
  const overRows = (t: tf.Tensor) => tf.sum(tf.reshape(t, [-1, x.shape.at(-1)!]), 0);
  return [dx, overRows(tf.mul(dy, xh)), overRows(dy)];
}
