import { type Arrays, checkArray, type NdArray, type StateHandle } from '@dm/ops';
import { EngineError } from '../errors.js';
import { sameShape, type TensorSpec, type TensorSpecs } from '../graph/graph.js';
import { emptyArray } from '../runtime/arrays.js';
import type { SharedMemory } from '../update/shared-memory.js';

/** An entry's value, and the buffer for its next value unless runs write it in place. */
type Buffers = { current: NdArray; next: NdArray | undefined; swapped: boolean };

/**
 * State in the engine's own arrays, long vectors in shared memory if available. Entries that a run does not write in
 * place are double-buffered: a run reads one array and writes the other, then the two are swapped. A step allocates and
 * copies nothing.
 */
export class OnnxStateHandle implements StateHandle {
  private readonly buffers = new Map<string, Buffers>();
  running = false;
  private disposed = false;
  private invalidReason: string | undefined;
  private readonly whenDisposed: (() => void)[] = [];

  /** `owner` is the engine that created it. */
  constructor(
    readonly owner: object,
    arrays: Arrays,
    readonly shared?: SharedMemory,
  ) {
    for (const [name, array] of Object.entries(arrays)) {
      checkArray(`state "${name}"`, array);
      const current = this.empty(array);
      current.data.set(array.data);
      this.buffers.set(name, { current, next: undefined, swapped: false });
    }
  }

  /** Zeros, in shared memory if it has room for such an array. */
  empty(spec: TensorSpec): NdArray {
    return this.shared?.empty(spec) ?? emptyArray(spec);
  }

  get specs(): TensorSpecs {
    this.check();
    return Object.fromEntries(
      [...this.buffers].map(([name, { current }]) => [name, { dtype: current.dtype, shape: current.shape }]),
    );
  }

  /** Identifies which of its two arrays each entry is in. */
  get position(): string {
    return Array.from(this.buffers.values(), ({ swapped }) => (swapped ? '1' : '0')).join('');
  }

  current(name: string): NdArray {
    return this.entry(name).current;
  }

  /** The array to which a run writes the entry's new value, if not in place. */
  target(name: string): NdArray {
    const buffers = this.entry(name);
    return (buffers.next ??= this.empty(buffers.current));
  }

  /** Makes the contents of `target` the entry's value. */
  swap(name: string): void {
    const buffers = this.entry(name);
    const { current, next } = buffers;
    // Values in shared memory stay there, since kernels look for them there.
    if (this.shared?.has(current) === true && !this.shared.has(next!)) return current.data.set(next!.data);
    [buffers.current, buffers.next] = [buffers.next!, buffers.current];
    buffers.swapped = !buffers.swapped;
  }

  /** Calls `free` when the handle is disposed of. */
  onDispose(free: () => void): void {
    this.whenDisposed.push(free);
  }

  /** Called after an in-place update failed: the state is neither the old nor the new one and cannot be used again. */
  invalidate(reason: string): void {
    this.invalidReason = reason;
  }

  async read(names: readonly string[] = [...this.buffers.keys()], into: Arrays = {}): Promise<Arrays> {
    this.check();
    return Object.fromEntries(names.map((name) => [name, copyInto(into[name], this.entry(name).current)]));
  }

  async write(arrays: Arrays): Promise<void> {
    this.check();
    for (const [name, array] of Object.entries(arrays)) {
      const { current } = this.entry(name);
      if (!sameShape(current.shape, array.shape) || current.dtype !== array.dtype) {
        throw new EngineError(
          'STATE_MISMATCH',
          `state "${name}" is ${describe(current)}; ${describe(array)} cannot be written to it`,
        );
      }
      current.data.set(array.data);
    }
  }

  dispose(): void {
    if (this.running)
      throw new EngineError('STATE_BUSY', 'a state handle cannot be disposed of while a program runs on it');
    this.buffers.clear();
    this.disposed = true;
    for (const free of this.whenDisposed) free();
  }

  private entry(name: string): Buffers {
    const buffers = this.buffers.get(name);
    if (buffers === undefined)
      throw new EngineError(
        'STATE_MISMATCH',
        `unknown state "${name}"; expected one of ${[...this.buffers.keys()].join(', ')}`,
      );
    return buffers;
  }

  private check(): void {
    if (this.disposed) throw new EngineError('DISPOSED', 'this state handle has been disposed of');
    if (this.running) throw new EngineError('STATE_BUSY', 'a program is running on this state handle; await it first');
    if (this.invalidReason !== undefined) throw new EngineError('STATE_LOST', this.invalidReason);
  }
}

export const copyOf = (array: NdArray): NdArray => ({ ...array, data: array.data.slice() });

/** A copy of `array`, written into `old` if type and size are the same. */
function copyInto(old: NdArray | undefined, array: NdArray): NdArray {
  if (old === undefined || old.dtype !== array.dtype || !sameShape(old.shape, array.shape)) return copyOf(array);
  old.data.set(array.data);
  return old;
}

const describe = ({ dtype, shape }: TensorSpec): string => `${dtype} [${shape.join(', ')}]`;
