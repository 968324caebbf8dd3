/** The units of DiT, Peebles & Xie 2023, arXiv:2212.09748, Fig. 3: adaLN-Zero conditioning. */
import * as tf from '@tensorflow/tfjs-core';
import { attention, layerNorm } from '@dm/ops';
import { at, type Call, declareCost, type Scope } from '../scope.js';
import { linear, type Unit, xavierInit, zeroInit } from '../units.js';

/** x [N, T, D] under the condition c [N, D] (after its SiLU). */
export type ConditionedUnit = (call: Call, x: tf.Tensor, c: tf.Tensor) => tf.Tensor;

export interface Widths {
  readonly hidden: number;
  readonly heads: number;
  readonly mlp: number;
  /** T, patches of an image. */
  readonly tokens: number;
}

/** Layer norm without parameters. */
const norm = (scope: Scope, { hidden, tokens }: Widths): ((x: tf.Tensor) => tf.Tensor) => {
  declareCost(scope, { kind: 'norm', multiplyAdds: 0, outputs: tokens * hidden });
  return (x) => layerNorm(x, { epsilon: 1e-6 });
};

/** x (1 + scale) + shift. */
const modulate = (x: tf.Tensor, shift: tf.Tensor, scale: tf.Tensor) => tf.add(tf.mul(x, tf.add(scale, 1)), shift);

/** c [N, D] → `parts` tensors [N, 1, D]; zero at the start. */
function modulation(scope: Scope, hidden: number, parts: number): (call: Call, c: tf.Tensor) => tf.Tensor[] {
  const project = linear(at(scope, 'adaLN_modulation.1'), hidden, parts * hidden, { init: zeroInit });
  return (call, c) => tf.split(tf.reshape(project(call, c), [-1, parts, hidden]), parts, 1);
}

/** A linear layer on tokens: [N, T, in] → [N, T, out]. */
export function tokenLinear(scope: Scope, inFeatures: number, outFeatures: number, rows: number, init?: 'zero'): Unit {
  const project = linear(scope, inFeatures, outFeatures, {
    rows,
    init: init === 'zero' ? zeroInit : xavierInit(inFeatures, outFeatures),
  });
  return (call, x) =>
    tf.reshape(project(call, tf.reshape(x, [-1, inFeatures])), [...x.shape.slice(0, -1), outFeatures]);
}

/**
 * A block: x + gate · attention(modulate(norm x)), then x + gate · mlp(modulate(norm x)), all six modulations from c.
 */
export function ditBlock(scope: Scope, widths: Widths): ConditionedUnit {
  const norm1 = norm(at(scope, 'norm1'), widths);
  const attn = multiHeadAttention(at(scope, 'attn'), widths);
  const norm2 = norm(at(scope, 'norm2'), widths);
  const mlp = feedForward(at(scope, 'mlp'), widths);
  const modulations = modulation(scope, widths.hidden, 6);
  return (call, x, c) => {
    const [shiftAttn, scaleAttn, gateAttn, shiftMlp, scaleMlp, gateMlp] = modulations(call, c) as Six;
    const h = tf.add(x, tf.mul(gateAttn, attn(call, modulate(norm1(x), shiftAttn, scaleAttn))));
    return tf.add(h, tf.mul(gateMlp, mlp(call, modulate(norm2(h), shiftMlp, scaleMlp))));
  };
}

type Six = [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];

/** timm's `Attention` with a bias: queries, keys and values of all heads from one product. */
function multiHeadAttention(scope: Scope, { hidden, heads, tokens }: Widths): Unit {
  const width = hidden / heads;
  const qkv = linear(at(scope, 'qkv'), hidden, 3 * hidden, { rows: tokens, init: xavierInit(hidden, 3 * hidden) });
  declareCost(scope, { kind: 'attention', multiplyAdds: 2 * tokens * tokens * hidden, outputs: tokens * hidden });
  const proj = linear(at(scope, 'proj'), hidden, hidden, { rows: tokens, init: xavierInit(hidden, hidden) });
  return (call, x) => {
    const [n, length] = x.shape as [number, number, number];
    const projected = tf.reshape(qkv(call, tf.reshape(x, [n * length, hidden])), [n, length, 3, heads, width]);
    const [q, k, v] = tf
      .split(tf.transpose(projected, [2, 0, 3, 1, 4]), 3, 0)
      .map((part) => tf.reshape(part, [n, heads, length, width])) as [tf.Tensor, tf.Tensor, tf.Tensor];
    const mixed = tf.transpose(attention(q, k, v), [0, 2, 1, 3]);
    return tf.reshape(proj(call, tf.reshape(mixed, [n * length, hidden])), x.shape);
  };
}

/** timm's `Mlp`: linear, GELU, linear. */
function feedForward(scope: Scope, { hidden, mlp, tokens }: Widths): Unit {
  const first = tokenLinear(at(scope, 'fc1'), hidden, mlp, tokens);
  const second = tokenLinear(at(scope, 'fc2'), mlp, hidden, tokens);
  return (call, x) => second(call, geluTanh(first(call, x)));
}

/**
 * GELU, Hendrycks & Gimpel 2016 (arXiv:1606.08415), by its tanh approximation
 * x/2 (1 + tanh(sqrt(2/π) (x + .044715 x³))) = x sigmoid(2 sqrt(2/π) (x + .044715 x³)).
 */
function geluTanh(x: tf.Tensor): tf.Tensor {
  const a = 2 * Math.sqrt(2 / Math.PI);
  return tf.mul(x, tf.sigmoid(tf.mul(x, tf.add(tf.mul(tf.square(x), a * 0.044715), a))));
}

/** The last layer: modulated norm, then a linear layer (zero at the start) to the pixels of a patch. */
export function finalLayer(scope: Scope, widths: Widths, outFeatures: number): ConditionedUnit {
  const { hidden, tokens } = widths;
  const normFinal = norm(at(scope, 'norm_final'), widths);
  const project = tokenLinear(at(scope, 'linear'), hidden, outFeatures, tokens, 'zero');
  const modulations = modulation(scope, hidden, 2);
  return (call, x, c) => {
    const [shift, scale] = modulations(call, c) as [tf.Tensor, tf.Tensor];
    return project(call, modulate(normFinal(x), shift, scale));
  };
}
