/** Arrays in a form that the runtime can read and write. */
import type { NdArray } from '@dm/ops';
import { sizeOf } from '../graph/graph.js';
import type { TensorSpec } from '../graph/graph.js';

const arrayTypes = { float32: Float32Array, int32: Int32Array, bool: Uint8Array };

/** Zeros in a newly allocated buffer. */
export function emptyArray({ dtype, shape }: TensorSpec): NdArray {
  return { dtype, shape, data: new arrayTypes[dtype](sizeOf(shape)) };
}
