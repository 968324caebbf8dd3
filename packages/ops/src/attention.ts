import * as tf from '@tensorflow/tfjs-core';
import { checkPositive, checkShape } from './checks.js';
import { customOp, emit } from './custom-op.js';

export interface AttentionOptions {
  /** Factor on q kᵀ. Default 1 / sqrt(d). */
  readonly scale?: number;
}

/**
 * Scaled dot-product attention, Eq. 1 of Vaswani et al. 2017, arXiv:1706.03762: y = softmax(scale q kᵀ) v.
 *
 * q float32 [B, heads, Tq, d], k and v [B, heads, Tk, d] → y [B, heads, Tq, d].
 * @throws {TypeError} if a tensor is not float32
 * @throws {RangeError} on another shape
 */
export function attention(q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, options: AttentionOptions = {}): tf.Tensor {
  checkShape('attention: q', q, ['B', 'heads', 'Tq', 'd']);
  const [batch, heads, , d] = q.shape as [number, number, number, number];
  checkShape('attention: k', k, [batch, heads, 'Tk', d]);
  checkShape('attention: v', v, [batch, heads, k.shape[2]!, d]);
  const scale = options.scale ?? 1 / Math.sqrt(d);
  checkPositive('attention: scale', scale);
  return customOp(
    'attention',
    [q, k, v],
    () => {
      const [y] = emit('DmAttention', { q, k, v }, { scale }, () => [tf.matMul(probabilities(q, k, scale), v)]);
      return { y, saved: [q, k, v, y] };
    },
    (dy, saved: Saved) => emit('DmAttentionGrad', { dy, ...named(saved) }, { scale }, () => backward(dy, saved, scale)),
  );
}

type Saved = [q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, y: tf.Tensor];

const named = ([q, k, v, y]: Saved) => ({ q, k, v, y });

const probabilities = (q: tf.Tensor, k: tf.Tensor, scale: number): tf.Tensor =>
  tf.softmax(tf.matMul(tf.mul(q, scale), k, false, true));

/**
 * dv = probsᵀ dy; with dp = dy vᵀ, ds = probs (dp - rowsum(dp probs)); dq = scale ds k; dk = scale dsᵀ q.
 *
 * Sec. 3.1 and App. B of Dao et al. 2022, arXiv:2205.14135: the probabilities, [Tq, Tk] a head and the largest tensor
 * of a model with attention, are made again instead of kept, and rowsum(dp probs) is rowsum(dy y).
 */
function backward(dy: tf.Tensor, [q, k, v, y]: Saved, scale: number): [tf.Tensor, tf.Tensor, tf.Tensor] {
  const probs = probabilities(q, k, scale);
  const dp = tf.matMul(dy, v, false, true);
  const ds = tf.mul(probs, tf.sub(dp, tf.sum(tf.mul(dy, y), -1, true)));
  return [
    tf.mul(tf.matMul(ds, k), scale),
    tf.mul(tf.matMul(ds, q, true, false), scale),
    tf.matMul(probs, dy, true, false),
  ];
}
