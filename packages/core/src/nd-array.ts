import type { NdArray } from '@dm/ops';

/** A float32 array that may be an engine's input. */
export interface Float32NdArray extends NdArray {
  readonly dtype: 'float32';
  readonly data: Float32Array;
}

/** Numbers in a float32 array of this shape; of shape [N] where none is given. */
export function float32(values: ArrayLike<number>, shape: readonly number[] = [values.length]): Float32NdArray {
  return { dtype: 'float32', shape, data: Float32Array.from(values) };
}
