import type { Arrays, NdArray } from '@dm/ops';
import type { BufferKind, Segment, Specialization, TensorSlice, UpdateSegment } from '../compile.js';
import { sizeOf } from '../graph/graph.js';
import type { Port } from '../graph/port.js';
import { emptyArray } from '../runtime/arrays.js';
import type { BoundCall, RuntimeSession } from '../runtime/runtime.js';
import type { UpdateThreads } from '../update/threads.js';
import type { Step, StepResult } from './execution.js';
import { copyOf, type OnnxStateHandle } from './state.js';

/** The calls of one step, bound to the arrays that hold the state now. */
interface BoundStep {
  readonly main: BoundCall;
  readonly update: BoundCall | undefined;
}

/**
 * A compiled program bound to one state handle. The runtime gets the addresses of all arrays once. Inputs and outputs
 * are copied in and out, which costs little compared with a step, so that a step allocates only its outputs.
 */
export class Binding implements Step {
  private readonly buffers: Readonly<Record<BufferKind, Arrays>>;
  /** By the state's buffer position. */
  private readonly steps = new Map<string, BoundStep>();

  /** `threads` run the update kernel of a specialization that has one. */
  constructor(
    private readonly specialization: Specialization<RuntimeSession>,
    private readonly state: OnnxStateHandle,
    private readonly threads: UpdateThreads | undefined,
  ) {
    const { buffers, update } = specialization;
    // An update kernel reads at most one vector besides the state, in the same memory.
    const isReadByUpdate = (kind: BufferKind, name: string): boolean =>
      update?.reads.some((port) => port.kind === kind && port.name === name) === true;
    const arrays = (kind: BufferKind): Arrays =>
      Object.fromEntries(
        Object.entries(buffers[kind]).map(([name, spec]) => [
          name,
          isReadByUpdate(kind, name) ? state.spare(spec) : emptyArray(spec),
        ]),
      );
    this.buffers = { input: arrays('input'), output: arrays('output'), intermediate: arrays('intermediate') };
  }

  async compute(inputs: Arrays): Promise<StepResult> {
    for (const [name, { data }] of Object.entries(this.buffers.input)) data.set(inputs[name]!.data);
    const { main, update } = this.step();
    const began = performance.now();
    await main();
    const sessionMs = performance.now() - began;
    // Copies, since the next call overwrites the arrays.
    const outputs = Object.fromEntries(
      Object.entries(this.buffers.output).map(([name, array]) => [name, copyOf(array)]),
    );
    return { outputs, sessionMs, copiedBytes: 0, update };
  }

  /** The calls for the buffers in which the state is now. */
  private step(): BoundStep {
    const { position } = this.state;
    let step = this.steps.get(position);
    if (step === undefined) {
      const { main, update } = this.specialization;
      step = { main: this.bound(main), update: update && this.boundUpdate(update) };
      this.steps.set(position, step);
    }
    return step;
  }

  private bound({ session, reads, writes }: Segment<RuntimeSession>): BoundCall {
    const arraysOf = (slices: readonly TensorSlice[]): Arrays =>
      Object.fromEntries(
        slices.map(({ name, port, dtype, shape }) => {
          const offset = port.slice?.offset ?? 0;
          return [name, { dtype, shape, data: this.array(port).data.subarray(offset, offset + sizeOf(shape)) }];
        }),
      );
    return session.bind(arraysOf(reads), arraysOf(writes));
  }

  /** Binds the kernel to the current address of each vector. */
  private boundUpdate({ reads, writes, scalars }: UpdateSegment): BoundCall {
    const inPlace = writes.map(({ name }): Port => ({ kind: 'state', name }));
    const vectors = [...reads, ...inPlace].map((port) => this.array(port));
    const numbers = scalars.map((port) => this.array(port).data);
    const addresses = vectors.map((array) => this.state.shared!.addressOf(array));
    const { byteLength } = vectors[0]!.data;
    return () => this.threads!.run(byteLength, [...addresses, ...numbers.map((data) => data[0]!)]);
  }

  /** The whole array of a port, even if the port is a slice of it. */
  private array({ kind, name }: Port): NdArray {
    if (kind === 'state') return this.state.current(name);
    if (kind === 'next') return this.state.target(name);
    return this.buffers[kind][name]!;
  }
}
