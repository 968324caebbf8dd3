/** What the engine needs from a runtime: sessions that read and write the engine's arrays. */
import type { Arrays } from '@dm/ops';

/** Devices, named like the runtime's execution providers. */
export const devices = ['cpu', 'webgpu', 'cuda'] as const;

export type Device = (typeof devices)[number];

/** Microseconds for which a waiting thread spins before it sleeps; docs/engine.md has the measurements. */
export const SPIN_DURATION_US = 50;

/**
 * The runtime's own graph passes that are disabled. This one, which exists twice, moves transposes behind the Split of
 * attention's groups of images and creates one for each image; the lowering leaves none that are unnecessary.
 */
export const DISABLED_OPTIMIZERS = 'TransposeOptimizer;TransposeOptimizer_CPUExecutionProvider';

export interface RuntimeSessionOptions {
  readonly device: Device;
  /** Threads within one operator. Default: chosen by the runtime. */
  readonly threads?: number;
  /** Refuse a graph that needs the CPU in addition to the device. */
  readonly deviceOnly?: boolean;
  /** Prefix of the name of the session's profile, which the runtime writes on release. */
  readonly profilePrefix?: string;
}

/** One graph, ready to run. */
export interface RuntimeSession {
  /**
   * Binds arrays to the graph: the returned call reads `inputs` and writes the elements of `outputs`, which must have
   * the graph's types and shapes. It may be called repeatedly and uses the arrays' contents at that time.
   */
  bind(inputs: Arrays, outputs: Arrays): BoundCall;
  /** Frees the session after pending calls; its profile, if any, is written first. */
  release(): Promise<void>;
}

/** Runs a graph on the arrays bound to it; they must not be read or changed until the promise settles. */
export type BoundCall = () => Promise<void>;

export interface Runtime {
  /** The runtime, its version, and its API: `ONNX Runtime 1.30.0, C API`. */
  readonly name: string;
  /** Whether a session's arrays may be in shared memory (`SharedArrayBuffer`). */
  readonly sharedArrays: boolean;
  /** Rejects with the runtime's message if it refuses the model or the settings. */
  createSession(model: Uint8Array, settings: RuntimeSessionOptions): Promise<RuntimeSession>;
}
