import * as tf from '@tensorflow/tfjs-core';
import { attention as attend } from '@dm/ops';
import { child, declareCost, recomputable, type Scope } from '../scope.js';
import { groupNorm, linear, type Unit } from '../units.js';

interface AttentionShape {
  readonly channels: number;
  /** Channels per head; null: a single head. */
  readonly headDim: number | null;
  /** Groups of the group norm before the attention; null: no norm. */
  readonly groups: number | null;
  readonly epsilon: number;
  /** [H, W] of the image. */
  readonly size: readonly [number, number];
  /** The output is divided by this factor. Default 1. */
  readonly scaleFactor?: number;
}

/** Self-attention over all pixels, as in the UNet of diffusers (`Attention`): x + to_out(attention(norm(x))). */
export function selfAttention(
  scope: Scope,
  { channels, headDim, groups, epsilon, size, scaleFactor = 1 }: AttentionShape,
): Unit {
  const rows = size[0] * size[1];
  const width = headDim ?? channels;
  const heads = Math.floor(channels / width);
  const inner = heads * width; // less than `channels` if the head size does not divide it
  const norm =
    groups === null ? undefined : groupNorm(child(scope, 'group_norm'), channels, { groups, epsilon, positions: rows });
  const toQ = linear(child(scope, 'to_q'), channels, inner, { rows });
  const toK = linear(child(scope, 'to_k'), channels, inner, { rows });
  const toV = linear(child(scope, 'to_v'), channels, inner, { rows });
  const toOut = linear(child(scope, 'to_out.0'), inner, channels, { rows });
  declareCost(scope, { kind: 'attention', multiplyAdds: 2 * rows * rows * inner, outputs: rows * inner });

  return recomputable(scope, (ctx, x) => {
    const [n, height, width4] = x.shape as [number, number, number, number];
    const tokens = height * width4;
    const pixels = tf.reshape(norm === undefined ? x : norm(ctx, x), [n * tokens, channels]);
    const toHeads = (y: tf.Tensor) =>
      heads === 1
        ? tf.reshape(y, [n, 1, tokens, width])
        : tf.transpose(tf.reshape(y, [n, tokens, heads, width]), [0, 2, 1, 3]);
    const mixed = attend(toHeads(toQ(ctx, pixels)), toHeads(toK(ctx, pixels)), toHeads(toV(ctx, pixels)));
    const rowsAgain = tf.reshape(heads === 1 ? mixed : tf.transpose(mixed, [0, 2, 1, 3]), [n * tokens, inner]);
    const sum = tf.add(tf.reshape(toOut(ctx, rowsAgain), x.shape), x);
    return scaleFactor === 1 ? sum : tf.div(sum, scaleFactor);
  });
}
