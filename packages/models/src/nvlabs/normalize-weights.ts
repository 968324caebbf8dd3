/** Forced weight normalization of EDM2: Eq. 66 of Karras et al. 2024, arXiv:2312.02696. */
import { type FlatLayout, splitFlat } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import type { Model } from '../model.js';
import { normalize, normalizeEpsilon } from './magnitude.js';

type Specs = Pick<Model, 'specs'>;

/** Whether a model has weights that `normalizeWeights` replaces. */
export function hasNormalizedWeights({ specs }: Specs): boolean {
  return Object.values(specs).some(({ normalized }) => normalized === true);
}

/**
 * Replaces the weights of all layers that the model marks as `normalized` by ones of unit magnitude per output, in a
 * program: params [P] in `layout` → [P]. NVlabs's code does so in place at the beginning of each forward pass of training.
 */
export function normalizeWeights({ specs }: Specs, params: tf.Tensor, layout: FlatLayout): tf.Tensor {
  const tensors = splitFlat(params, layout);
  const parts = layout.entries.map(({ name, size }) => {
    const tensor = tensors[name]!;
    const axes = Array.from({ length: tensor.rank - 1 }, (_, axis) => axis);
    return tf.reshape(specs[name]!.normalized === true ? normalize(tensor, axes) : tensor, [size]);
  });
  return tf.concat(parts, 0);
}

/** `normalizeWeights` of an array [P], as a new array. */
export function normalizedWeights({ specs }: Specs, params: Float32Array, layout: FlatLayout): Float32Array {
  const out = Float32Array.from(params);
  for (const { name, offset, size, shape } of layout.entries) {
    if (specs[name]!.normalized !== true) continue;
    const outputs = shape.at(-1)!;
    const fanIn = size / outputs;
    for (let o = 0; o < outputs; o++) {
      let squares = 0;
      for (let i = offset + o; i < offset + size; i += outputs) squares += params[i]! ** 2;
      const norm = normalizeEpsilon + Math.sqrt(squares / fanIn);
      for (let i = offset + o; i < offset + size; i += outputs) out[i] = params[i]! / norm;
    }
  }
  return out;
}
