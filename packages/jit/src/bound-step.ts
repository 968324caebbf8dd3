import type { Arrays, NdArray } from '@dm/ops';
import type { Part, Update, Variant } from './build.js';
import { sizeOf } from './graph.js';
import { emptyArray } from './runtime/arrays.js';
import type { BoundCall } from './runtime/runtime.js';
import { copyOf, type OnnxState } from './state.js';
import { type ArraySpec, PREFIX } from './trace.js';
import type { UpdateThreads } from './update/threads.js';

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
  private readonly arrays: ReadonlyMap<string, NdArray>;
  /** By the state's position. */
  private readonly steps = new Map<string, BoundStep>();
  private readonly inputs: readonly (readonly [name: string, array: NdArray])[];
  private readonly outputs: readonly (readonly [name: string, array: NdArray])[];

  /** `threads` run the update of a variant that has one. */
  constructor(
    private readonly variant: Variant,
    private readonly state: OnnxState,
    private readonly threads: UpdateThreads | undefined,
  ) {
    const empty = (name: string, spec: ArraySpec) =>
      name.startsWith(PREFIX.between) ? state.empty(spec) : emptyArray(spec);
    const arrays = Object.entries(variant.arrays).map(([name, spec]) => [name, empty(name, spec)] as const);
    const named = (prefix: string) =>
      arrays.flatMap(([name, array]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), array] as const] : []));
    this.arrays = new Map(arrays);
    this.inputs = named(PREFIX.input);
    this.outputs = named(PREFIX.output);
  }

  /** The step for `inputs`, ready to run. */
  take(inputs: Arrays): BoundStep {
    for (const [name, { data }] of this.inputs) data.set(inputs[name]!.data);
    const { position } = this.state;
    let step = this.steps.get(position);
    if (step === undefined) {
      const { main, update } = this.variant;
      step = { main: this.bound(main), update: update && this.boundUpdate(update) };
      this.steps.set(position, step);
    }
    return step;
  }

  /** Copies of what the last call left. */
  results(): Arrays {
    return Object.fromEntries(this.outputs.map(([name, array]) => [name, copyOf(array)]));
  }

  private bound({ session, reads, writes }: Part): BoundCall {
    const arraysOf = (places: Part['reads']) =>
      Object.fromEntries(
        places.map(({ name, array, offset, dtype, shape }) => {
          const { data } = this.array(array);
          return [name, { dtype, shape, data: data.subarray(offset, offset + sizeOf(shape)) }];
        }),
      );
    return session.bind(arraysOf(reads), arraysOf(writes));
  }

  /** The kernel writes each vector where the state has it now. */
  private boundUpdate({ reads, writes, scalars }: Update): BoundCall {
    const there = writes.map((name) => PREFIX.state + name.slice(PREFIX.next.length));
    const vectors = [...reads, ...there].map((name) => this.array(name).data);
    const numbers = scalars.map((name) => this.array(name).data);
    const addresses = vectors.map(({ byteOffset }) => byteOffset);
    const { byteLength } = vectors[0]!;
    return () => this.threads!.run(byteLength, [...addresses, ...numbers.map((data) => data[0]!)]);
  }

  private array(name: string): NdArray {
    if (name.startsWith(PREFIX.state)) return this.state.current(name.slice(PREFIX.state.length));
    if (name.startsWith(PREFIX.next)) return this.state.target(name.slice(PREFIX.next.length));
    return this.arrays.get(name)!;
  }
}
