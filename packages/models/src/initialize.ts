import { normal, uniform } from '@dm/core';
import { type FlatLayout, float32, type Float32NdArray, type NdArray } from '@dm/ops';
import { bufferLayout, parameterLayout } from './layout.js';
import type { Init, Model } from './model.js';

/**
 * Parameters and buffers at the start, in the reference's distributions. Each is a function of the seed and of its
 * place in `model.specs` alone.
 * @throws {RangeError} on a seed that is not a non-negative safe integer
 */
export function initialize(model: Model, seed: number): Record<string, Float32NdArray> {
  return Object.fromEntries(
    Object.entries(model.specs).map(([name, { shape, init }], index) => {
      const data = new Float32Array(shape.reduce((product, d) => product * d, 1));
      fill(data, init, seed, index);
      return [name, float32(data, shape)];
    }),
  );
}

/** The same as two flat vectors: `params` in `parameterLayout`, `buffers` in `bufferLayout`. */
export function initializeFlat(
  model: Model,
  seed: number,
): { readonly params: Float32Array; readonly buffers: Float32Array } {
  const arrays = initialize(model, seed);
  return {
    params: flatten(arrays, parameterLayout(model)),
    buffers: flatten(arrays, bufferLayout(model)),
  };
}

/**
 * Copies float32 arrays into one vector.
 * @throws {Error} if one that the layout names is missing or has another size
 */
export function flatten(arrays: Readonly<Record<string, NdArray>>, layout: FlatLayout): Float32Array {
  const flat = new Float32Array(layout.size);
  for (const { name, offset, size } of layout.entries) {
    const array = arrays[name];
    if (array === undefined) throw new Error(`flatten: there is no array "${name}"`);
    if (array.data.length !== size) {
      throw new Error(`flatten: "${name}" has ${array.data.length} elements, the layout ${size}`);
    }
    flat.set(array.data, offset);
  }
  return flat;
}

function fill(data: Float32Array, init: Init, seed: number, index: number): void {
  const key = { seed, stream: 'init', index } as const;
  switch (init.kind) {
    case 'zeros':
      return;
    case 'ones':
      data.fill(1);
      return;
    case 'uniform':
      uniform(key, data.length).forEach((u, i) => (data[i] = init.bound * (2 * u - 1)));
      return;
    case 'normal':
      normal(key, data.length).forEach((z, i) => (data[i] = init.std * z));
      return;
    case 'constant':
      data.set(init.values);
  }
}
