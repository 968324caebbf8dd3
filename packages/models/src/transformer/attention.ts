import * as tf from '@tensorflow/tfjs-core';
import { attention } from '@dm/ops';
import { at, type Call, declareCost, type Scope } from '../scope.js';
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
  const qkv = linear(at(scope, 'qkv'), hidden, 3 * hidden, { rows: tokens, init, withBias: qkvBias });
  const finish = output(scope, 'proj', shape);
  return (call, x) => {
    const [n, length] = x.shape as [number, number, number];
    const projected = tf.reshape(qkv(call, x), [n, length, 3, heads, hidden / heads]);
    const [q, k, v] = tf
      .split(tf.transpose(projected, [2, 0, 3, 1, 4]), 3, 0)
      .map((part) => tf.reshape(part, [n, heads, length, hidden / heads])) as [tf.Tensor, tf.Tensor, tf.Tensor];
    return finish(call, attention(q, k, v));
  };
}

/** diffusers' `Attention`: the same with a layer for each of queries, keys and values. */
export function separateAttention(scope: Scope, shape: AttentionShape): Unit {
  const { hidden, heads, tokens, qkvBias, init } = shape;
  const project = (name: string) => linear(at(scope, name), hidden, hidden, { rows: tokens, init, withBias: qkvBias });
  const [toQ, toK, toV] = [project('to_q'), project('to_k'), project('to_v')];
  const finish = output(scope, 'to_out.0', shape);
  return (call, x) => {
    const [n, length] = x.shape as [number, number, number];
    const toHeads = (y: tf.Tensor) => tf.transpose(tf.reshape(y, [n, length, heads, hidden / heads]), [0, 2, 1, 3]);
    return finish(call, attention(toHeads(toQ(call, x)), toHeads(toK(call, x)), toHeads(toV(call, x))));
  };
}

/** [N, heads, T, D / heads] → [N, T, D], through the output layer. */
function output(scope: Scope, name: string, { hidden, tokens, init }: AttentionShape) {
  declareCost(scope, { kind: 'attention', multiplyAdds: 2 * tokens * tokens * hidden, outputs: tokens * hidden });
  const project = linear(at(scope, name), hidden, hidden, { rows: tokens, init });
  return (call: Call, mixed: tf.Tensor) => {
    const [n, , length] = mixed.shape as [number, number, number, number];
    return project(call, tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [n, length, hidden]));
  };
}
