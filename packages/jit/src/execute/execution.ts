import type { Arrays, StateHandle } from '@dm/ops';
import type { CompilerOptions, Specialization } from '../compile.js';
import type { TensorSpec } from '../graph/graph.js';
import type { BoundCall } from '../runtime/runtime.js';
import type { BufferedState } from './buffered-state.js';

/** What a step has computed before its state is updated. */
export interface StepResult {
  readonly outputs: Arrays;
  /** Milliseconds inside the runtime. */
  readonly sessionMs: number;
  /** Bytes copied from and to a device. */
  readonly copiedBytes: number;
  /** Updates the state in place; undefined if the step is not split. */
  readonly update: BoundCall | undefined;
}

/** A compiled program bound to one state. */
export interface Step {
  /** Computes the outputs, and the new state in the entries' other buffers. */
  compute(inputs: Arrays): Promise<StepResult>;
}

/** Stores a program's arrays and runs its graphs, either in the engine's memory or on a device. */
export interface Execution<Session, State extends BufferedState<TensorSpec>> {
  readonly compiler: CompilerOptions<Session>;
  load(arrays: Arrays): Promise<State>;
  owns(handle: StateHandle): handle is State;
  /** The values of a state, which a program may compile in; without it, values are out of reach. */
  readonly valuesOf?: ((state: State) => Arrays) | undefined;
  bind(specialization: Specialization<Session>, state: State): Promise<Step>;
  /** Frees what bound steps use. */
  dispose(): Promise<void>;
}
