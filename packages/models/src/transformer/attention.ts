import * as tf from '@tensorflow/tfjs-core';
import { attention } from '@dm/ops';
import { child, type ForwardContext, declareCost, type Scope } from '../scope.js';
import { type LayerInit, linear, type Unit } from '../units.js';

export interface AttentionShape {
  readonly hidden: number;
  /** Divides `hidden`. */
  readonly heads: number;
  /** T, tokens of an image. */
  readonly tokens: number;
  /** Whether queries, keys and values have a bias; the output always has. */
  readonly qkvBias: boolean;
  readonly init: LayerInit;
}

/** timm's `Attention` among the tokens [N, T, D] of an image: queries, keys and values of all heads from one product. */
export function jointAttention(scope: Scope, shape: AttentionShape): Unit {
  const { hidden, heads, tokens, qkvBias, init } = shape;
  const qkv = linear(child(scope, 'qkv'), hidden, 3 * hidden, { rows: tokens, init, withBias: qkvBias });
  const buildModel = output(scope, 'proj', shape);
  return (ctx, x) => {
    const [q, k, v] = tf.split(qkv(ctx, x), 3, 2).map((part) => toHeads(part, heads)) as Three;
    return buildModel(ctx, attention(q, k, v));
  };
}

type Three = [tf.Tensor, tf.Tensor, tf.Tensor];

/** diffusers' `Attention`: the same with a layer for each of queries, keys and values. */
export function separateAttention(scope: Scope, shape: AttentionShape): Unit {
  const { hidden, heads, tokens, qkvBias, init } = shape;
  const project = (name: string) =>
    linear(child(scope, name), hidden, hidden, { rows: tokens, init, withBias: qkvBias });
  const [toQ, toK, toV] = [project('to_q'), project('to_k'), project('to_v')];
  const buildModel = output(scope, 'to_out.0', shape);
  return (ctx, x) => buildModel(ctx, attention(...([toQ, toK, toV].map((to) => toHeads(to(ctx, x), heads)) as Three)));
}

/** [N, T, D] → [N, heads, T, D / heads]. For one tensor at a time: with queries, keys and values as a fifth axis the runtime takes ten times as long. */
function toHeads(x: tf.Tensor, heads: number): tf.Tensor {
  const [n, length, hidden] = x.shape as [number, number, number];
  return tf.transpose(tf.reshape(x, [n, length, heads, hidden / heads]), [0, 2, 1, 3]);
}

/** [N, heads, T, D / heads] → [N, T, D], through the output layer. */
function output(scope: Scope, name: string, { hidden, tokens, init }: AttentionShape) {
  declareCost(scope, { kind: 'attention', multiplyAdds: 2 * tokens * tokens * hidden, outputs: tokens * hidden });
  const project = linear(child(scope, name), hidden, hidden, { rows: tokens, init });
  return (ctx: ForwardContext, mixed: tf.Tensor) => {
    const [n, , length] = mixed.shape as [number, number, number, number];
    return project(ctx, tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [n, length, hidden]));
  };
}
