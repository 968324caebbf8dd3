import { type Arrays, checkArray, type NdArray } from '@dm/ops';
import { sizeOf, type TensorSpec } from '../graph/graph.js';
import { EngineError } from '../errors.js';
import { emptyArray } from '../runtime/arrays.js';
import type { SharedMemory } from '../update/shared-memory.js';
import { BufferedState, fits } from './buffered-state.js';

/**
 * State in the engine's own arrays, long vectors in shared memory if available. A step allocates and copies nothing.
 */
export class OnnxStateHandle extends BufferedState<NdArray> {
  /** As long as the longest vector in shared memory. */
  private readonly room: NdArray | undefined;

  constructor(
    owner: object,
    arrays: Arrays,
    readonly shared?: SharedMemory,
  ) {
    super(owner);
    for (const [name, array] of Object.entries(arrays)) {
      checkArray(`state "${name}"`, array);
      const current = this.empty(array);
      current.data.set(array.data);
      this.buffers.set(name, { current, next: undefined, swapped: false });
    }
    const vectors = Object.values(this.values).filter((array) => shared?.has(array));
    const [longest] = vectors.toSorted((a, b) => b.data.length - a.data.length);
    // Now, while there is room (see isShareable).
    this.room = longest && shared?.empty(longest);
  }

  /** The arrays of all entries. A step that changes an entry overwrites its array, or replaces it by another. */
  get values(): Arrays {
    return Object.fromEntries(this.names.map((name) => [name, this.current(name)]));
  }

  /** Zeros, in shared memory if it has room for such an array. */
  empty(spec: TensorSpec): NdArray {
    return this.shared?.empty(spec) ?? emptyArray(spec);
  }

  /**
   * A vector in shared memory that is not state, for an update kernel. All calls return the same memory: it belongs to the
   * step that is running.
   */
  spare({ dtype, shape }: TensorSpec): NdArray {
    const length = sizeOf(shape);
    if (this.room === undefined || this.room.data.length < length) {
      throw new EngineError('MEMORY_EXHAUSTED', `shared memory has no room for a vector of ${length} elements`);
    }
    return { dtype, shape, data: this.room.data.subarray(0, length) };
  }

  /** The array to which a run writes the entry's new value, if not in place. */
  target(name: string): NdArray {
    const buffers = this.entry(name);
    return (buffers.next ??= this.empty(buffers.current));
  }

  override swap(name: string): void {
    const { current, next } = this.entry(name);
    // Values in shared memory stay there, since kernels look for them there.
    if (this.shared?.has(current) === true && !this.shared.has(next!)) {
      current.data.set(next!.data);
      this.changed();
    } else super.swap(name);
  }

  async read(names: readonly string[] = this.names, into: Arrays = {}): Promise<Arrays> {
    this.check();
    return Object.fromEntries(
      names.map((name) => {
        const { current } = this.entry(name);
        const old = into[name];
        if (old === undefined || !fits(current, old)) return [name, copyOf(current)];
        old.data.set(current.data);
        return [name, old];
      }),
    );
  }

  async write(arrays: Arrays): Promise<void> {
    this.check();
    for (const [current, array] of this.replaced(arrays)) current.data.set(array.data);
    this.changed();
  }

  async update(names: readonly string[], change: (arrays: Arrays) => void | Promise<void>): Promise<void> {
    await this.exclusively(() => change(Object.fromEntries(names.map((name) => [name, this.current(name)]))));
  }
}

export const copyOf = (array: NdArray): NdArray => ({ ...array, data: array.data.slice() });
