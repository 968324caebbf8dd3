import type { NdArray } from '@dm/ops';
import { EngineError } from '../errors.js';
import { sizeOf, type TensorSpec, type TensorSpecs } from '../graph/graph.js';
import { MAX_PAGES } from './wasm-encoder.js';
import { type WasmMemory, wasmApi } from './wasm-api.js';

const PAGE_BYTES = 2 ** 16;
/** Size of a cache line in bytes: the alignment of vectors. */
const CACHE_LINE_BYTES = 64;

/**
 * Minimum number of elements of a vector to be stored in shared memory and updated by a kernel; a shorter one is
 * finished before other threads could be notified.
 */
export const MIN_SHARED_LENGTH = 2 ** 19;

export const isSharedVector = ({ dtype, shape }: TensorSpec): boolean =>
  dtype === 'float32' && shape.length === 1 && shape[0]! >= MIN_SHARED_LENGTH;

const bytesOf = (spec: TensorSpec): number => Math.ceil((4 * sizeOf(spec.shape)) / CACHE_LINE_BYTES) * CACHE_LINE_BYTES;

/**
 * Whether state has long vectors and fits, together with one more vector as long as the longest (their gradient), into
 * one memory of 4 GiB.
 */
export function isShareable(state: TensorSpecs): boolean {
  const sizes = Object.values(state).filter(isSharedVector).map(bytesOf);
  return sizes.length > 0 && sizes.reduce((a, b) => a + b) + Math.max(...sizes) <= MAX_PAGES * PAGE_BYTES;
}

/**
 * Memory for the vectors of a state, on which WebAssembly kernels work in several threads. It grows as vectors are
 * added, and is freed when it is no longer referenced.
 */
export class SharedMemory {
  readonly memory: WasmMemory;
  private used = 0;

  /**
   * `most` is its maximum size in pages of 64 KiB.
   * @throws {EngineError} if the system cannot reserve the address space
   */
  constructor(private readonly most = MAX_PAGES) {
    try {
      // The module requires a memory with the largest possible maximum. Unused pages cost address space only.
      this.memory = new wasmApi.Memory({ initial: 0, maximum: MAX_PAGES, shared: true });
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new EngineError(
        'MEMORY_EXHAUSTED',
        `cannot reserve address space for shared memory (${reason}): is there a limit ("ulimit -v"), or are ` +
          'there many state handles that have not been disposed of?',
        { cause },
      );
    }
  }

  /** Zeros for a long vector; undefined for other arrays, or if the memory is full. */
  empty(spec: TensorSpec): NdArray | undefined {
    if (!isSharedVector(spec)) return undefined;
    const end = this.used + bytesOf(spec);
    if (end > this.most * PAGE_BYTES) return undefined;
    const missing = Math.ceil((end - this.memory.buffer.byteLength) / PAGE_BYTES);
    if (missing > 0) this.memory.grow(missing);
    const data = new Float32Array(this.memory.buffer, this.used, sizeOf(spec.shape));
    this.used = end;
    return { dtype: spec.dtype, shape: spec.shape, data };
  }

  /** Whether an array is in this memory. */
  has({ data }: NdArray): boolean {
    // When a shared memory grows, it gets a new buffer object for the same bytes, so buffers cannot be compared.
    return data.buffer instanceof SharedArrayBuffer;
  }

  /** The byte at which an array begins. */
  addressOf(array: NdArray): number {
    if (!this.has(array)) throw new Error('the array is not in shared memory');
    return array.data.byteOffset;
  }
}
