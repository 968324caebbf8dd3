import * as tf from '@tensorflow/tfjs-core';
import { float32, type Float32NdArray } from './arrays.js';
import type { Tensors } from './engine.js';

/** One tensor's place in a flat vector. */
export interface FlatEntry {
  readonly name: string;
  readonly shape: readonly number[];
  /** First element, counted in elements. */
  readonly offset: number;
  /** Number of elements. */
  readonly size: number;
  /** What optimizers tell apart: `matrix` (2-D and conv kernels), `vector` (biases, norms), `embedding` (tables). */
  readonly group: string;
  /** Of a layer that takes the input in, puts the output out, or embeds time or class, which Muon leaves to Adam. */
  readonly outer?: true;
}

/** How named tensors lie one after the other in one flat float32 vector of `size` elements. */
export interface FlatLayout {
  readonly size: number;
  readonly entries: readonly FlatEntry[];
}

/**
 * Lays tensors out in the order given.
 * @throws {RangeError} on a repeated name
 */
export function flatLayout(tensors: readonly Omit<FlatEntry, 'offset' | 'size'>[]): FlatLayout {
  const entries: FlatEntry[] = [];
  const names = new Set<string>();
  let offset = 0;
  for (const { name, shape, group, outer } of tensors) {
    if (names.has(name)) throw new RangeError(`flatLayout: the name "${name}" is given twice`);
    names.add(name);
    const size = shape.reduce((product, d) => product * d, 1);
    entries.push({ name, shape, offset, size, group, ...(outer && { outer }) });
    offset += size;
  }
  return { size: offset, entries };
}

/**
 * Takes a flat vector apart: `flat` [layout.size] → one tensor an entry, in the entry's shape. One `tf.split`,
 * whose gradient is one concatenation (slices would each pad a whole vector of zeros).
 */
export function splitFlat(flat: tf.Tensor, layout: FlatLayout): Tensors {
  const pieces = tf.split(
    flat,
    layout.entries.map((e) => e.size),
  );
  const tensors: Tensors = {};
  layout.entries.forEach((e, i) => {
    tensors[e.name] = tf.reshape(pieces[i]!, [...e.shape]);
  });
  return tensors;
}

/**
 * Views into a flat host vector, by name; nothing is copied.
 * @throws {RangeError} if the length is not the layout's
 */
export function viewFlat(flat: Float32Array, layout: FlatLayout): Record<string, Float32NdArray> {
  if (flat.length !== layout.size) {
    throw new RangeError(`viewFlat: the vector has ${flat.length} elements, the layout ${layout.size}`);
  }
  const arrays: Record<string, Float32NdArray> = {};
  for (const e of layout.entries) {
    arrays[e.name] = float32(flat.subarray(e.offset, e.offset + e.size), e.shape);
  }
  return arrays;
}
