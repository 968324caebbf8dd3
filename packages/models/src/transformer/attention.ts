import * as tf from '@tensorflow/tfjs-core';
import { attention } from '@dm/ops';
import { child, type ForwardContext, declareCost, type Scope } from '../scope.js';
import { type LayerInit, linear, type Unit } from '../units.js';

export interface AttentionShape {
  readonly hidden: number;
  /** Number of heads. Must divide `hidden`. */
  readonly heads: number;
  /** T, the number of tokens per image. */
  readonly tokens: number;
  /** Whether the projections of queries, keys and values have a bias. The output projection always has one. */
  readonly qkvBias: boolean;
  readonly init: LayerInit;
}

/** timm's `Attention`: self-attention on tokens [N, T, D], with one linear layer for queries, keys and values. */
export function jointAttention(scope: Scope, shape: AttentionShape): Unit {
  const { hidden, heads, tokens, qkvBias, init } = shape;
  const qkv = linear(child(scope, 'qkv'), hidden, 3 * hidden, { rows: tokens, init, withBias: qkvBias });
  const project = outputProjection(scope, 'proj', shape);
  return (ctx, x) => {
    const [q, k, v] = tf.split(qkv(ctx, x), 3, 2).map((part) => toHeads(part, heads)) as Three;
    return project(ctx, attention(q, k, v));
  };
}

type Three = [tf.Tensor, tf.Tensor, tf.Tensor];

/** diffusers' `Attention`: self-attention on tokens [N, T, D], with separate layers for queries, keys and values. */
export function separateAttention(scope: Scope, shape: AttentionShape): Unit {
  const { hidden, heads, tokens, qkvBias, init } = shape;
  const layer = (name: string) => linear(child(scope, name), hidden, hidden, { rows: tokens, init, withBias: qkvBias });
  const [toQ, toK, toV] = [layer('to_q'), layer('to_k'), layer('to_v')];
  const project = outputProjection(scope, 'to_out.0', shape);
  return (ctx, x) => project(ctx, attention(...([toQ, toK, toV].map((to) => toHeads(to(ctx, x), heads)) as Three)));
}

/**
 * [N, T, D] → [N, heads, T, D / heads]. Called separately for queries, keys and values: one transpose with a fifth axis
 * for them is about ten times slower in ONNX Runtime.
 */
function toHeads(x: tf.Tensor, heads: number): tf.Tensor {
  const [n, length, hidden] = x.shape as [number, number, number];
  return tf.transpose(tf.reshape(x, [n, length, heads, hidden / heads]), [0, 2, 1, 3]);
}

/** Merges the heads and applies the output layer: [N, heads, T, D / heads] → [N, T, D]. */
function outputProjection(scope: Scope, name: string, { hidden, tokens, init }: AttentionShape) {
  declareCost(scope, { kind: 'attention', multiplyAdds: 2 * tokens * tokens * hidden, outputs: tokens * hidden });
  const project = linear(child(scope, name), hidden, hidden, { rows: tokens, init });
  return (ctx: ForwardContext, mixed: tf.Tensor) => {
    const [n, , length] = mixed.shape as [number, number, number, number];
    return project(ctx, tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [n, length, hidden]));
  };
}
