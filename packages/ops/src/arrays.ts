/** Arrays for an engine's border from plain numbers, and tensors from arrays. */
import * as tf from '@tensorflow/tfjs-core';
import type { Arrays, NdArray, Tensors } from './engine.js';
import { checkArray } from './nd-array.js';

/** A float32 array with its shape. */
export interface Float32NdArray extends NdArray {
  readonly dtype: 'float32';
  readonly data: Float32Array;
}

/**
 * Numbers as a float32 array of `shape`, by default [data.length]. A Float32Array is wrapped, not copied; anything else
 * is converted.
 *
 * @throws {RangeError} if the numbers do not fill the shape.
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

/** One number as a float32 array of shape []. */
export const scalar = (value: number): Float32NdArray => float32([value], []);

/**
 * Labels as rows of zeros with a one: [labels.length, depth], float32.
 *
 * @throws {RangeError} if a label is not an integer in [0, depth).
 */
export function oneHot(labels: ArrayLike<number>, depth: number): Float32NdArray {
  const data = new Float32Array(labels.length * depth);
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]!;
    if (!Number.isInteger(label) || label < 0 || label >= depth) {
      throw new RangeError(`oneHot: label ${label} (at position ${i}) is not an integer in [0, ${depth})`);
    }
    data[i * depth + label] = 1;
  }
  return float32(data, [labels.length, depth]);
}

/**
 * Named arrays as tensors on the current backend, such as `model.apply` takes them. The data is copied, because some
 * backends keep the array that they are given.
 */
export function toTensors(arrays: Arrays): Tensors {
  return Object.fromEntries(
    Object.entries(arrays).map(([name, { dtype, shape, data }]) => [name, tf.tensor(data.slice(), [...shape], dtype)]),
  );
}

/** Named numbers as float32 arrays of shape [], such as an optimizer's `scalars(step)`. */
export function toScalars(values: Readonly<Record<string, number>>): Record<string, Float32NdArray> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, scalar(value)]));
}
