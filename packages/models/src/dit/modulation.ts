/** adaLN-Zero modulation, Fig. 3 of Peebles & Xie 2023, arXiv:2212.09748. */
import * as tf from '@tensorflow/tfjs-core';
import type { ForwardContext, Scope } from '../scope.js';
import { type LayerInit, linear, type Unit } from '../units.js';

/** One linear layer: c [N, D] → `parts` tensors [N, 1, D]. */
export function modulation(
  scope: Scope,
  hidden: number,
  parts: number,
  init: LayerInit,
): (ctx: ForwardContext, c: tf.Tensor) => tf.Tensor[] {
  const project = linear(scope, hidden, parts * hidden, { init });
  return (ctx, c) => tf.split(tf.reshape(project(ctx, c), [-1, parts, hidden]), parts, 1);
}

/** x (1 + scale) + shift. */
export const modulate = (x: tf.Tensor, shift: tf.Tensor, scale: tf.Tensor): tf.Tensor =>
  tf.add(tf.mul(x, tf.add(scale, 1)), shift);

/** The units of a modulated transformer block. */
export interface BlockUnits {
  readonly norm1: Unit;
  readonly attention: Unit;
  readonly norm2: Unit;
  readonly feedForward: Unit;
  readonly modulations: (ctx: ForwardContext, c: tf.Tensor) => tf.Tensor[];
}

/**
 * x [N, T, D] → [N, T, D]: x + gate · attention(modulate(norm(x))), then x + gate · feedForward(modulate(norm(x))). The
 * six modulations are computed from the conditioning vector c [N, D] (after SiLU).
 */
export function modulatedBlock(ctx: ForwardContext, units: BlockUnits, x: tf.Tensor, c: tf.Tensor): tf.Tensor {
  const [shift1, scale1, gate1, shift2, scale2, gate2] = units.modulations(ctx, c) as Six;
  const h = tf.add(x, tf.mul(gate1, units.attention(ctx, modulate(units.norm1(ctx, x), shift1, scale1))));
  return tf.add(h, tf.mul(gate2, units.feedForward(ctx, modulate(units.norm2(ctx, h), shift2, scale2))));
}

type Six = [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
