/** What the engine needs of a runtime: sessions that read and write arrays of the engine's. */
import type { Arrays } from '@dm/ops';

/** What computes, as the runtime's execution providers are called. */
export const devices = ['cpu', 'webgpu', 'cuda'] as const;

export type Device = (typeof devices)[number];

/** For how long a thread that waits for work spins before it sleeps; docs/engine.md has what was measured. */
export const SPIN_DURATION_US = 50;

/**
 * Of the runtime's own passes over a graph, those that it does without. This one, which comes twice, moves transposes behind
 * the Split that takes attention's images apart, and makes one for each image of each; where none is needed the lowering
 * leaves none.
 */
export const DISABLED_OPTIMIZERS = 'TransposeOptimizer;TransposeOptimizer_CPUExecutionProvider';

export interface RuntimeSessionOptions {
  readonly device: Device;
  /** Threads inside one operator. Default: as many as the runtime chooses. */
  readonly threads?: number;
  /** Refuses a graph that needs the processor besides the device. */
  readonly deviceOnly?: boolean;
  /** Beginning of the name of the file that the runtime writes a profile of the session to, by its release. */
  readonly profilePrefix?: string;
}

/** One graph, ready to run. */
export interface RuntimeSession {
  /**
   * A call that reads `inputs` and writes the elements of `outputs`: the graph's, with the types and shapes that it has
   * for them. It may be run again and again, with what the arrays then hold.
   */
  bind(inputs: Arrays, outputs: Arrays): BoundCall;
  /** Frees the session, after the calls that still run; its profile, if there is one, is written first. */
  release(): Promise<void>;
}

/** Runs a graph on the arrays that it was bound to; none of them may be changed or read until the promise settles. */
export type BoundCall = () => Promise<void>;

export interface Runtime {
  /** The runtime, its version, and the way to it: `ONNX Runtime 1.30.0, C API`. */
  readonly name: string;
  /** Whether the arrays that a session is bound to may be in shared memory (`SharedArrayBuffer`). */
  readonly sharedArrays: boolean;
  /** Rejects with the runtime's message where it refuses the model or the settings. */
  createSession(model: Uint8Array, settings: RuntimeSessionOptions): Promise<RuntimeSession>;
}
