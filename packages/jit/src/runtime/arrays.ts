/** Arrays as the runtime may read and write them. */
import type { NdArray } from '@dm/ops';
import { sizeOf } from '../graph.js';
import type { ArraySpec } from '../trace.js';

export const arrayTypes = { float32: Float32Array, int32: Int32Array, bool: Uint8Array };

/** Zeros, in memory of their own. */
export function emptyArray({ dtype, shape }: ArraySpec): NdArray {
  return { dtype, shape, data: new arrayTypes[dtype](sizeOf(shape)) };
}
