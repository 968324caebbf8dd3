import type { Tensor } from '@tensorflow/tfjs-core';

const show = (shape: readonly number[]) => `[${shape.join(', ')}]`;

/** Throws unless `tensor` is float32 and its shape fits `expected`, where a name stands for any size: `['N', 4]`. */
export function checkShape(op: string, name: string, tensor: Tensor, expected: readonly (number | string)[]): void {
  checkFloat(op, name, tensor);
  const fits =
    tensor.rank === expected.length && expected.every((d, i) => typeof d === 'string' || d === tensor.shape[i]);
  if (!fits) throw new Error(`${op}: ${name} must be [${expected.join(', ')}], not ${show(tensor.shape)}`);
}

/** Throws unless `tensor` is float32. */
export function checkFloat(op: string, name: string, tensor: Tensor): void {
  if (tensor.dtype !== 'float32') throw new Error(`${op}: ${name} must be float32, not ${tensor.dtype}`);
}

/** Throws unless `value` is a whole number of at least `minimum`. */
export function checkInteger(op: string, name: string, value: number, minimum: number): void {
  if (!Number.isInteger(value) || value < minimum) {
    throw new RangeError(`${op}: ${name} must be an integer of at least ${minimum}, not ${value}`);
  }
}

/** Throws unless `value` is a finite number above zero. */
export function checkPositive(op: string, name: string, value: number): void {
  if (!Number.isFinite(value) || value <= 0) {
    throw new RangeError(`${op}: ${name} must be a positive number, not ${value}`);
  }
}
