import * as tf from '@tensorflow/tfjs-core';
import { float32, type Float32NdArray } from './arrays.js';
import type { Tensors } from './engine.js';

/** Position of one tensor in a flat vector. */
export interface FlatEntry {
  readonly name: string;
  readonly shape: readonly number[];
  /** Index of its first element in the vector. */
  readonly offset: number;
  /** Number of elements. */
  readonly size: number;
  /** Parameter group for optimizers: `matrix` (linear and conv weights), `vector` (biases, norms), or `embedding`. */
  readonly group: string;
  /** Set for input, output, and time or class embedding layers, which Muon leaves to Adam. */
  readonly outer?: true;
}

/** Positions of named tensors that are concatenated into one flat float32 vector of `size` elements. */
export interface FlatLayout {
  readonly size: number;
  readonly entries: readonly FlatEntry[];
}

/**
 * Computes the layout of tensors concatenated in the given order.
 * @throws {RangeError} if a name occurs twice
 */
export function flatLayout(tensors: readonly Omit<FlatEntry, 'offset' | 'size'>[]): FlatLayout {
  const entries: FlatEntry[] = [];
  const names = new Set<string>();
  let offset = 0;
  for (const { name, shape, group, outer } of tensors) {
    if (names.has(name)) throw new RangeError(`flatLayout: duplicate name "${name}"`);
    names.add(name);
    const size = shape.reduce((product, d) => product * d, 1);
    entries.push({ name, shape, offset, size, group, ...(outer && { outer }) });
    offset += size;
  }
  return { size: offset, entries };
}

/**
 * Splits a flat vector: `flat` [layout.size] → one tensor per entry, in the entry's shape. This is a single `tf.split`,
 * because its gradient is a single concatenation, whereas the gradient of each slice is a zero-padded full vector.
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
 * Views into a flat vector, by name. Nothing is copied.
 * @throws {RangeError} if `flat` does not have `layout.size` elements
 */
export function viewFlat(flat: Float32Array, layout: FlatLayout): Record<string, Float32NdArray> {
  if (flat.length !== layout.size) {
    throw new RangeError(`viewFlat: the vector has ${flat.length} elements, but the layout has ${layout.size}`);
  }
  const arrays: Record<string, Float32NdArray> = {};
  for (const e of layout.entries) {
    arrays[e.name] = float32(flat.subarray(e.offset, e.offset + e.size), e.shape);
  }
  return arrays;
}
