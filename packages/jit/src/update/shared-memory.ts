import type { NdArray } from '@dm/ops';
import { EngineError } from '../errors.js';
import { sizeOf, type TensorSpec, type TensorSpecs } from '../graph/graph.js';
import { MAX_PAGES } from './wasm-encoder.js';
import { type WasmMemory, wasmApi } from './wasm-api.js';

const PAGE_BYTES = 2 ** 16;
/** Bytes of a line of the processor's cache: where a vector begins. */
const CACHE_LINE_BYTES = 64;

/**
 * Elements of a vector from which on it lies in shared memory, and an update of it is done by a kernel: a shorter one is
 * done before other threads have been told of it.
 */
export const MIN_SHARED_LENGTH = 2 ** 19;

export const isSharedVector = ({ dtype, shape }: TensorSpec): boolean =>
  dtype === 'float32' && shape.length === 1 && shape[0]! >= MIN_SHARED_LENGTH;

const bytesOf = (spec: TensorSpec): number => Math.ceil((4 * sizeOf(spec.shape)) / CACHE_LINE_BYTES) * CACHE_LINE_BYTES;

/** Whether state has long vectors, and room for one more as long as the longest, their gradient, in one memory of 4 GiB. */
export function isShareable(state: TensorSpecs): boolean {
  const sizes = Object.values(state).filter(isSharedVector).map(bytesOf);
  return sizes.length > 0 && sizes.reduce((a, b) => a + b) + Math.max(...sizes) <= MAX_PAGES * PAGE_BYTES;
}

/**
 * Memory in which the vectors of a state lie, so that kernels of WebAssembly in several threads can work on them. It grows
 * with what is put there, and is freed when nothing refers to it.
 */
export class SharedMemory {
  readonly memory: WasmMemory;
  private used = 0;

  /**
   * `most` is its largest size in pages of 64 KiB.
   * @throws {EngineError} if the system has no addresses for it
   */
  constructor(private readonly most = MAX_PAGES) {
    try {
      // The module asks for one that may have all pages; none takes room before it is used, but addresses are set aside.
      this.memory = new wasmApi.Memory({ initial: 0, maximum: MAX_PAGES, shared: true });
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new EngineError(
        'MEMORY_EXHAUSTED',
        `no addresses are left for the memory that threads share (${reason}): is there a limit ("ulimit -v"), or are ` +
          'there many state handles that have not been disposed of?',
        { cause },
      );
    }
  }

  /** Zeros for a long vector; nothing for other arrays, and where the memory is full. */
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

  /** Whether an array lies here. Its address is its offset then. */
  has({ data }: NdArray): boolean {
    // A shared memory that has grown has another buffer object over the same bytes; none of another kind is shared here.
    return data.buffer instanceof SharedArrayBuffer;
  }
}
