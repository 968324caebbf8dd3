import type { Arrays, NdArray, StateHandle } from '@dm/ops';
import { EngineError } from '../errors.js';
import { sameShape, type TensorSpec, type TensorSpecs } from '../graph/graph.js';

/** An entry's value, and the buffer for its next value unless runs write it in place. */
interface Buffers<Buffer> {
  current: Buffer;
  next: Buffer | undefined;
  swapped: boolean;
}

/**
 * State whose entries are double-buffered: a run reads one buffer and writes the other, then the two are swapped. A step
 * that does not count is not swapped.
 */
export abstract class BufferedState<Buffer extends TensorSpec> implements StateHandle {
  protected readonly buffers = new Map<string, Buffers<Buffer>>();
  running = false;
  private changes = 0;
  private disposed = false;
  private invalidReason: string | undefined;
  private readonly whenDisposed = new Set<() => void>();

  /** `owner` is the engine that created it. */
  constructor(readonly owner: object) {}

  get specs(): TensorSpecs {
    this.check();
    return Object.fromEntries(
      [...this.buffers].map(([name, { current }]) => [name, { dtype: current.dtype, shape: current.shape }]),
    );
  }

  /** Identifies which of its two buffers each entry is in. */
  get position(): string {
    return Array.from(this.buffers.values(), ({ swapped }) => (swapped ? '1' : '0')).join('');
  }

  /** Differs from what it was before the last change of the state. */
  get version(): number {
    return this.changes;
  }

  /** To be called when values have been, or may have been, overwritten. */
  changed(): void {
    this.changes++;
  }

  current(name: string): Buffer {
    return this.entry(name).current;
  }

  /** Makes the contents of the entry's other buffer its value. */
  swap(name: string): void {
    const buffers = this.entry(name);
    [buffers.current, buffers.next] = [buffers.next!, buffers.current];
    buffers.swapped = !buffers.swapped;
    this.changed();
  }

  /** Calls `free` when the handle is disposed of, unless the returned function has been called. */
  onDispose(free: () => void): () => void {
    this.whenDisposed.add(free);
    return () => void this.whenDisposed.delete(free);
  }

  /** Called after an in-place update failed: the state is neither the old nor the new one and cannot be used again. */
  invalidate(reason: string): void {
    this.invalidReason = reason;
  }

  abstract read(names?: readonly string[], into?: Arrays): Promise<Arrays>;
  abstract write(arrays: Arrays): Promise<void>;
  abstract update(names: readonly string[], change: (arrays: Arrays) => void | Promise<void>): Promise<void>;

  dispose(): void {
    if (this.running)
      throw new EngineError('STATE_BUSY', 'a state handle cannot be disposed of while a program runs on it');
    for (const free of this.whenDisposed) free();
    this.buffers.clear();
    this.disposed = true;
  }

  protected get names(): string[] {
    return [...this.buffers.keys()];
  }

  protected entry(name: string): Buffers<Buffer> {
    const buffers = this.buffers.get(name);
    if (buffers === undefined)
      throw new EngineError('STATE_MISMATCH', `unknown state "${name}"; expected one of ${this.names.join(', ')}`);
    return buffers;
  }

  protected check(): void {
    if (this.disposed) throw new EngineError('DISPOSED', 'this state handle has been disposed of');
    if (this.running) throw new EngineError('STATE_BUSY', 'a program is running on this state handle; await it first');
    if (this.invalidReason !== undefined) throw new EngineError('STATE_LOST', this.invalidReason);
  }

  /** While `work`, which may change the state, is pending, nothing else may use the handle. */
  protected async exclusively(work: () => void | Promise<void>): Promise<void> {
    this.check();
    this.running = true;
    try {
      await work();
    } finally {
      this.changed();
      this.running = false;
    }
  }

  /** The current buffers of the entries that `arrays` are to replace, with these arrays. */
  protected replaced(arrays: Arrays): (readonly [buffer: Buffer, array: NdArray])[] {
    return Object.entries(arrays).map(([name, array]) => {
      const { current } = this.entry(name);
      if (!fits(current, array)) {
        throw new EngineError(
          'STATE_MISMATCH',
          `state "${name}" is ${describe(current)}; ${describe(array)} cannot be written to it`,
        );
      }
      return [current, array];
    });
  }
}

/** Whether type and shape are the same. */
export const fits = (a: TensorSpec, b: TensorSpec): boolean => a.dtype === b.dtype && sameShape(a.shape, b.shape);

const describe = ({ dtype, shape }: TensorSpec): string => `${dtype} [${shape.join(', ')}]`;
