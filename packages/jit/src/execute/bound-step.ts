import type { Arrays, NdArray } from '@dm/ops';
import type { BufferKind, Segment, Specialization, TensorSlice, UpdateSegment } from '../compile.js';
import { sizeOf, type TensorSpec, type TensorSpecs } from '../graph/graph.js';
import type { Port } from '../graph/port.js';
import { emptyArray } from '../runtime/arrays.js';
import type { BoundCall } from '../runtime/runtime.js';
import type { UpdateThreads } from '../update/threads.js';
import { copyOf, type OnnxStateHandle } from './state.js';

/** The calls of a step, on state where it now lies. */
export interface BoundStep {
  readonly main: BoundCall;
  readonly update: BoundCall | undefined;
}

/**
 * A compiled program on one state handle. The runtime is told once of all arrays, inputs and outputs among them, which are
 * copied in and out: they are small beside what a step computes, and a step then makes nothing but its outputs.
 */
export class Binding {
  private readonly buffers: Readonly<Record<BufferKind, Arrays>>;
  /** By the state's position. */
  private readonly steps = new Map<string, BoundStep>();

  /** `threads` run the update of a specialization that has one. */
  constructor(
    private readonly specialization: Specialization,
    private readonly state: OnnxStateHandle,
    private readonly threads: UpdateThreads | undefined,
  ) {
    const arrays = (specs: TensorSpecs, empty: (spec: TensorSpec) => NdArray): Arrays =>
      Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, empty(spec)]));
    const { input, output, intermediate } = specialization.buffers;
    this.buffers = {
      input: arrays(input, emptyArray),
      output: arrays(output, emptyArray),
      // An update kernel reads it, so it is where the state is.
      intermediate: arrays(intermediate, (spec) => state.empty(spec)),
    };
  }

  /** The step for `inputs`, ready to run. */
  take(inputs: Arrays): BoundStep {
    for (const [name, { data }] of Object.entries(this.buffers.input)) data.set(inputs[name]!.data);
    const { position } = this.state;
    let step = this.steps.get(position);
    if (step === undefined) {
      const { main, update } = this.specialization;
      step = { main: this.bound(main), update: update && this.boundUpdate(update) };
      this.steps.set(position, step);
    }
    return step;
  }

  /** Copies of what the last call left. */
  results(): Arrays {
    return Object.fromEntries(Object.entries(this.buffers.output).map(([name, array]) => [name, copyOf(array)]));
  }

  private bound({ session, reads, writes }: Segment): BoundCall {
    const arraysOf = (slices: readonly TensorSlice[]): Arrays =>
      Object.fromEntries(
        slices.map(({ name, port, dtype, shape }) => {
          const offset = port.slice?.offset ?? 0;
          return [name, { dtype, shape, data: this.array(port).data.subarray(offset, offset + sizeOf(shape)) }];
        }),
      );
    return session.bind(arraysOf(reads), arraysOf(writes));
  }

  /** The kernel writes each vector where the state has it now. */
  private boundUpdate({ reads, writes, scalars }: UpdateSegment): BoundCall {
    const inPlace = writes.map(({ name }): Port => ({ kind: 'state', name }));
    const vectors = [...reads, ...inPlace].map((port) => this.array(port).data);
    const numbers = scalars.map((port) => this.array(port).data);
    const addresses = vectors.map(({ byteOffset }) => byteOffset);
    const { byteLength } = vectors[0]!;
    return () => this.threads!.run(byteLength, [...addresses, ...numbers.map((data) => data[0]!)]);
  }

  /** The whole array that a port is, or is a slice of. */
  private array({ kind, name }: Port): NdArray {
    if (kind === 'state') return this.state.current(name);
    if (kind === 'next') return this.state.target(name);
    return this.buffers[kind][name]!;
  }
}
