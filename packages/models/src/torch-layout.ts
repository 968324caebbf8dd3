/** Conversion of parameters between memory layout (HWIO, [in, out]) and PyTorch's layout in files (OIHW, [out, in]). */
import type { Arrays, NdArray, Tensors } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import type { Model, ParamKind, ParamSpec } from './model.js';

/** Axes of the array in a file in terms of the array in memory: `file.shape[i] = memory.shape[axes[i]]`. */
const fileAxes: Readonly<Partial<Record<ParamKind, readonly number[]>>> = {
  conv: [3, 2, 0, 1],
  linear: [1, 0],
};

/** Shape of a parameter in PyTorch's layout. */
export const torchShape = ({ kind, shape }: ParamSpec): readonly number[] => permuted(shape, fileAxes[kind]);

/** Axes with which `transpose` converts a parameter to PyTorch's layout; undefined if both layouts are the same. */
export const torchAxes = ({ kind }: ParamSpec): readonly number[] | undefined => fileAxes[kind];

/**
 * Converts arrays from memory layout to PyTorch's layout, for files. Arrays that need no transpose are not copied.
 * @throws {Error} if names are unknown or shapes are wrong; the message lists all of them
 */
export function toTorch(model: Model, arrays: Arrays): Record<string, NdArray> {
  return convert(
    model,
    arrays,
    ({ shape }) => shape,
    (axes) => axes,
  );
}

/**
 * Converts arrays from PyTorch's layout to memory layout: the inverse of `toTorch`.
 * @throws {Error} if names are unknown or shapes are wrong; the message lists all of them
 */
export function fromTorch(model: Model, arrays: Arrays): Record<string, NdArray> {
  return convert(model, arrays, torchShape, inverse);
}

/**
 * `fromTorch` for tensors, to use inside a program whose parameters are in PyTorch's layout. Does not check shapes.
 */
export function fromTorchTensors(model: Model, tensors: Tensors): Tensors {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => {
      const axes = fileAxes[model.specs[name]!.kind];
      return [name, axes === undefined ? tensor : tf.transpose(tensor, inverse(axes))];
    }),
  );
}

function convert(
  model: Model,
  arrays: Arrays,
  expected: (spec: ParamSpec) => readonly number[],
  direction: (axes: readonly number[]) => readonly number[],
): Record<string, NdArray> {
  const wrong: string[] = [];
  const converted = Object.entries(arrays).map(([name, array]): [string, NdArray] => {
    const spec = Object.hasOwn(model.specs, name) ? model.specs[name]! : undefined;
    if (spec === undefined) {
      wrong.push(`unknown parameter ${name}`);
      return [name, array];
    }
    const shape = expected(spec);
    if (shape.join() !== array.shape.join()) {
      wrong.push(`${name} must be [${shape.join(', ')}], got [${array.shape.join(', ')}]`);
      return [name, array];
    }
    const axes = fileAxes[spec.kind];
    return [name, axes === undefined ? array : transpose(array, direction(axes))];
  });
  if (wrong.length > 0) throw new Error(`${model.kind}: the arrays do not match the model: ${wrong.join('; ')}`);
  return Object.fromEntries(converted);
}

const inverse = (axes: readonly number[]): number[] => axes.map((_, i) => axes.indexOf(i));

const permuted = (shape: readonly number[], axes: readonly number[] = shape.map((_, i) => i)) =>
  axes.map((axis) => shape[axis]!);

/** Transposes an array into a new one: `out.shape[i] = array.shape[axes[i]]`. */
export function transpose(array: NdArray, axes: readonly number[]): NdArray {
  const { shape, data } = array;
  const strides = shape.map((_, i) => shape.slice(i + 1).reduce((product, d) => product * d, 1));
  const outShape = permuted(shape, axes);
  const outStrides = permuted(strides, axes);
  const out = data.slice();
  const index = outShape.map(() => 0);
  let from = 0;
  for (let i = 0; i < out.length; i++) {
    out[i] = data[from]!;
    for (let axis = outShape.length - 1; axis >= 0; axis--) {
      index[axis]!++;
      from += outStrides[axis]!;
      if (index[axis]! < outShape[axis]!) break;
      from -= index[axis]! * outStrides[axis]!;
      index[axis] = 0;
    }
  }
  return { ...array, shape: outShape, data: out };
}
