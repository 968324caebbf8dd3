import { normal, uniform } from '@dm/core';
import { type FlatLayout, float32, type Float32NdArray, type NdArray } from '@dm/ops';
import { bufferLayout, parameterLayout } from './layout.js';
import type { Init, Model } from './model.js';

/**
 * Initializes parameters and buffers with the distributions of the reference implementations. The values of each depend
 * only on the seed and on its index in `model.specs`.
 * @throws {RangeError} if `seed` is not a non-negative safe integer
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

/** `initialize` as two flat vectors: `params` in `parameterLayout`, `buffers` in `bufferLayout`. */
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
 * Concatenates float32 arrays in the order of the layout.
 * @throws {Error} if an array is missing or its size does not match the layout
 */
export function flatten(arrays: Readonly<Record<string, NdArray>>, layout: FlatLayout): Float32Array {
  const flat = new Float32Array(layout.size);
  for (const { name, offset, size } of layout.entries) {
    const array = arrays[name];
    if (array === undefined) throw new Error(`flatten: the array "${name}" is missing`);
    if (array.data.length !== size) {
      throw new Error(`flatten: "${name}" must have ${size} elements, got ${array.data.length}`);
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
