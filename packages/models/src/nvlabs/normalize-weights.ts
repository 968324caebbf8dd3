/** Forced weight normalization of EDM2: Eq. 66 of Karras et al. 2024, arXiv:2312.02696. */
import { splitFlat } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import type { ParamSpec, WeightNormalization } from '../model.js';
import { normalize, normalizeEpsilon } from './magnitude.js';

/**
 * The normalization of all weights that `specs` mark as `normalized`. NVlabs's code does it in place at the beginning of
 * each forward pass of training.
 */
export function weightNormalization(specs: Readonly<Record<string, ParamSpec>>): WeightNormalization {
  return {
    inProgram(params, layout) {
      const tensors = splitFlat(params, layout);
      const parts = layout.entries.map(({ name, size }) => {
        const tensor = tensors[name]!;
        const axes = Array.from({ length: tensor.rank - 1 }, (_, axis) => axis);
        return tf.reshape(specs[name]!.normalized === true ? normalize(tensor, axes) : tensor, [size]);
      });
      return tf.concat(parts, 0);
    },
    ofArray(params, layout) {
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
    },
  };
}
