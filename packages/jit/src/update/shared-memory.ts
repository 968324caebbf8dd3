import type { NdArray } from '@dm/ops';
import { sizeOf } from '../graph.js';
import type { ArraySpec, ArraySpecs } from '../trace.js';
import { MOST_PAGES } from './wasm.js';
import { type WasmMemory, webAssembly } from './web-assembly.js';

const PAGE = 2 ** 16;
/** Bytes of a line of the processor's cache: where a vector begins. */
const LINE = 64;

/**
 * Elements of a vector from which on it lies in shared memory, and an update of it is done by a kernel: a shorter one is
 * done before other threads have been told of it.
 */
export const LONG = 2 ** 19;

export const isLong = ({ dtype, shape }: ArraySpec): boolean =>
  dtype === 'float32' && shape.length === 1 && shape[0]! >= LONG;

const bytesOf = (spec: ArraySpec): number => Math.ceil((4 * sizeOf(spec.shape)) / LINE) * LINE;

/** Whether state has long vectors, and room for one more as long as the longest, their gradient, in one memory of 4 GiB. */
export function isShareable(state: ArraySpecs): boolean {
  const sizes = Object.values(state).filter(isLong).map(bytesOf);
  return sizes.length > 0 && sizes.reduce((a, b) => a + b) + Math.max(...sizes) <= MOST_PAGES * PAGE;
}

/**
 * Memory in which the vectors of a state lie, so that kernels of WebAssembly in several threads can work on them. It grows
 * with what is put there, and is freed when nothing refers to it.
 */
export class SharedMemory {
  readonly memory: WasmMemory;
  private used = 0;

  /** `most` is its largest size in pages of 64 KiB. Throws an Error where the system has no addresses for it. */
  constructor(private readonly most = MOST_PAGES) {
    try {
      // The module asks for one that may have all pages; none takes room before it is used, but addresses are set aside.
      this.memory = new webAssembly.Memory({ initial: 0, maximum: MOST_PAGES, shared: true });
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new Error(
        `no addresses are left for the memory that threads share (${reason}): is there a limit ("ulimit -v"), or are ` +
          'there many state handles that have not been disposed of?',
        { cause },
      );
    }
  }

  /** Zeros for a long vector; nothing for other arrays, and where the memory is full. */
  empty(spec: ArraySpec): NdArray | undefined {
    if (!isLong(spec)) return undefined;
    const end = this.used + bytesOf(spec);
    if (end > this.most * PAGE) return undefined;
    const missing = Math.ceil((end - this.memory.buffer.byteLength) / PAGE);
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
