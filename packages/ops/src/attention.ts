import * as tf from '@tensorflow/tfjs-core';
import { checkPositive, checkShape } from './checks.js';
import { customOp, emit } from './custom-op.js';

export interface AttentionOptions {
  /** Factor by which q kᵀ is multiplied. Default 1 / sqrt(d). */
  readonly scale?: number;
}

/**
 * Scaled dot-product attention, Eq. 1 of Vaswani et al. 2017, arXiv:1706.03762: y = softmax(scale q kᵀ) v.
 *
 * q float32 [B, heads, Tq, d], k and v [B, heads, Tk, d] → y [B, heads, Tq, d].
 * @throws {TypeError} if a tensor is not float32
 * @throws {RangeError} if a shape is wrong or `scale` is not positive
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
 * With dp = dy vᵀ and ds = probs (dp - rowsum(dp probs)): dq = scale ds k, dk = scale dsᵀ q, dv = probsᵀ dy.
 *
 * As in Sec. 3.1 and App. B of Dao et al. 2022, arXiv:2205.14135, the probabilities ([Tq, Tk] per head, the largest
 * tensors of a model with attention) are recomputed instead of saved, and rowsum(dp probs) is computed as rowsum(dy y).
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
