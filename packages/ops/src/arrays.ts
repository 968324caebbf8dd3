/** Conversions from plain numbers to the arrays that engines take, and from arrays to tensors. */
import * as tf from '@tensorflow/tfjs-core';
import type { Arrays, NdArray, Tensors } from './engine.js';
import { checkArray } from './nd-array.js';

/** A float32 array and its shape. */
export interface Float32NdArray extends NdArray {
  readonly dtype: 'float32';
  readonly data: Float32Array;
}

/**
 * Creates a float32 array of `shape` (default [data.length]). A Float32Array is wrapped without a copy; any other array
 * is converted.
 * @throws {RangeError} if `data` does not have as many elements as `shape`
 */
export function float32(data: ArrayLike<number>, shape: readonly number[] = [data.length]): Float32NdArray {
  const array = {
    dtype: 'float32',
    shape,
    data: data instanceof Float32Array ? data : Float32Array.from(data),
  } as const;
  checkArray('float32', array);
  return array;
}

/** Creates a float32 array of shape [] from one number. */
export const scalar = (value: number): Float32NdArray => float32([value], []);

/**
 * One-hot encodes labels: [labels.length] → [labels.length, depth], float32.
 * @throws {RangeError} if a label is not an integer in [0, depth)
 */
export function oneHot(labels: ArrayLike<number>, depth: number): Float32NdArray {
  const data = new Float32Array(labels.length * depth);
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]!;
    if (!Number.isInteger(label) || label < 0 || label >= depth) {
      throw new RangeError(`oneHot: labels[${i}] must be an integer in [0, ${depth}), got ${label}`);
    }
    data[i * depth + label] = 1;
  }
  return float32(data, [labels.length, depth]);
}

/**
 * Creates tensors on the current backend from named arrays. The data is copied, because some backends keep a reference
 * to the array they receive.
 */
export function toTensors(arrays: Arrays): Tensors {
  return Object.fromEntries(
    Object.entries(arrays).map(([name, { dtype, shape, data }]) => [name, tf.tensor(data.slice(), [...shape], dtype)]),
  );
}

/** Creates float32 arrays of shape [] from named numbers, such as an optimizer's `scalars(step)`. */
export function toScalars(values: Readonly<Record<string, number>>): Record<string, Float32NdArray> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, scalar(value)]));
}
