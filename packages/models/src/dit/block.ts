/** Units of https://github.com/facebookresearch/DiT. */
import type * as tf from '@tensorflow/tfjs-core';
import { child, block, type ForwardContext, recomputable, type Scope } from '../scope.js';
import { jointAttention } from '../transformer/attention.js';
import { feedForward } from '../transformer/feed-forward.js';
import { layerNorm, linear, xavierInit, zeroInit } from '../units.js';
import { type BlockUnits, modulate, modulatedBlock, modulation } from './modulation.js';

/** A unit on tokens x [N, T, D] with the conditioning vector c [N, D] (after SiLU). */
export type ConditionedUnit = (ctx: ForwardContext, x: tf.Tensor, c: tf.Tensor) => tf.Tensor;

export interface Widths {
  readonly hidden: number;
  readonly heads: number;
  readonly mlp: number;
  /** T, the number of patches per image. */
  readonly tokens: number;
}

const norm = (scope: Scope, { hidden, tokens }: Widths) =>
  layerNorm(scope, hidden, { affine: false, epsilon: 1e-6, rows: tokens });

/** The adaLN-Zero block of DiT, [N, T, D] → [N, T, D]. */
export function ditBlock(scope: Scope, widths: Widths): ConditionedUnit {
  const { hidden, heads, mlp: inner, tokens } = widths;
  const init = xavierInit;
  const units: BlockUnits = {
    norm1: norm(child(scope, 'norm1'), widths),
    attention: jointAttention(child(scope, 'attn'), { hidden, heads, tokens, qkvBias: true, init }),
    norm2: norm(child(scope, 'norm2'), widths),
    feedForward: feedForward(child(scope, 'mlp'), {
      hidden,
      inner,
      tokens,
      activation: { approximate: 'tanh' },
      init,
      names: ['fc1', 'fc2'],
    }),
    modulations: modulation(child(scope, 'adaLN_modulation.1'), hidden, 6, zeroInit),
  };
  return recomputable(scope, (ctx, x, c) => modulatedBlock(ctx, units, x, c));
}

/** The last layer: modulated norm, then a zero-initialized linear layer to the pixels of a patch. */
export function finalLayer(scope: Scope, widths: Widths, outFeatures: number): ConditionedUnit {
  const { hidden, tokens } = widths;
  const normFinal = norm(child(scope, 'norm_final'), widths);
  const project = linear(child(scope, 'linear'), hidden, outFeatures, { rows: tokens, init: zeroInit });
  const modulations = modulation(child(scope, 'adaLN_modulation.1'), hidden, 2, zeroInit);
  return block(scope, (ctx, x, c) => {
    const [shift, scale] = modulations(ctx, c) as [tf.Tensor, tf.Tensor];
    return project(ctx, modulate(normFinal(ctx, x), shift, scale));
  });
}
