import { type Arrays, checkArray } from '@dm/ops';
import { emptyArray } from '../runtime/arrays.js';
import type { DeviceMemory, DeviceTensor } from '../runtime/runtime.js';
import { BufferedState, fits } from './buffered-state.js';

/** State in a device's memory. It leaves the device only in `read` and `update`. */
export class DeviceState extends BufferedState<DeviceTensor> {
  private constructor(
    owner: object,
    private readonly memory: DeviceMemory,
  ) {
    super(owner);
  }

  /** @throws {EngineError} `MEMORY_EXHAUSTED` if an entry does not fit on the device */
  static async load(owner: object, memory: DeviceMemory, arrays: Arrays): Promise<DeviceState> {
    const state = new DeviceState(owner, memory);
    try {
      for (const [name, array] of Object.entries(arrays)) {
        checkArray(`state "${name}"`, array);
        const current = await memory.allocate(array);
        state.buffers.set(name, { current, next: undefined, swapped: false });
      }
      await memory.upload(
        Object.values(arrays),
        Object.keys(arrays).map((name) => state.current(name)),
      );
    } catch (error) {
      state.dispose();
      throw error;
    }
    return state;
  }

  /** Allocates the tensors to which runs write the new values of these entries. */
  async allocateTargets(names: readonly string[]): Promise<void> {
    for (const name of names) {
      const buffers = this.entry(name);
      buffers.next ??= await this.memory.allocate(buffers.current);
    }
  }

  /** The tensor to which a run writes the entry's new value; it must have been allocated. */
  target(name: string): DeviceTensor {
    return this.entry(name).next!;
  }

  async read(names: readonly string[] = this.names, into: Arrays = {}): Promise<Arrays> {
    this.check();
    const tensors = names.map((name) => this.current(name));
    const arrays = tensors.map((tensor, i) => {
      const old = into[names[i]!];
      return old !== undefined && fits(tensor, old) ? old : emptyArray(tensor);
    });
    await this.memory.download(tensors, arrays);
    return Object.fromEntries(names.map((name, i) => [name, arrays[i]!]));
  }

  async write(arrays: Arrays): Promise<void> {
    this.check();
    const replaced = this.replaced(arrays);
    this.changed();
    await this.memory.upload(
      replaced.map(([, array]) => array),
      replaced.map(([tensor]) => tensor),
    );
  }

  async update(names: readonly string[], change: (arrays: Arrays) => void | Promise<void>): Promise<void> {
    const tensors = names.map((name) => this.current(name));
    await this.exclusively(async () => {
      const arrays = tensors.map(emptyArray);
      await this.memory.download(tensors, arrays);
      await change(Object.fromEntries(names.map((name, i) => [name, arrays[i]!])));
      await this.memory.upload(arrays, tensors);
    });
  }

  override dispose(): void {
    const tensors = [...this.buffers.values()].flatMap(({ current, next }) =>
      next === undefined ? [current] : [current, next],
    );
    super.dispose();
    void this.memory.free(tensors); // in the queue, after the bindings that `super.dispose` releases
  }
}
