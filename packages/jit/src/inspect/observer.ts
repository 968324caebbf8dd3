import type { Graph } from '../graph/graph.js';

/**
 * One graph of a program, compiled for one signature of its state and inputs. A split step has two: the second is
 * called `<name>, update` and is a WebAssembly kernel; its tracing time is included in the first.
 */
export interface Compilation {
  /** The program's name. */
  readonly name: string;
  /** The traced graph after all passes. */
  readonly graph: Graph;
  /** The kind of `bytes`. */
  readonly format: 'onnx' | 'wasm';
  /** The compiled model: what the runtime was given. */
  readonly bytes: Uint8Array;
  /** Milliseconds spent in each phase, in the order in which they run. */
  readonly ms: {
    readonly trace: number;
    readonly optimize: number;
    readonly lower: number;
    readonly encode: number;
    /** In the runtime: reads, optimizes, and prepares the graph, or compiles the kernel. */
    readonly session: number;
  };
}

/** One call of a compiled program. */
export interface ProgramRun {
  readonly name: string;
  /** Milliseconds of the whole call. A first call also compiles. */
  readonly ms: number;
  /** Milliseconds inside the runtime, including the update kernel. The rest is JavaScript. */
  readonly sessionMs: number;
  /** Milliseconds of `sessionMs` in the update kernel; 0 if the step is not split. */
  readonly updateMs: number;
  /** Bytes of inputs and outputs copied to and from a device; 0 on `cpu`. */
  readonly copiedBytes: number;
}

/** Callbacks for progress, benchmarks, profiles, and dumps. */
export interface EngineObserver {
  /** Before a program is compiled for a new signature, with the program's name. */
  readonly compiling?: (name: string) => void;
  /** After that, whether or not it succeeded, with its duration in milliseconds. */
  readonly compileEnded?: (name: string, ms: number) => void;
  readonly compiled?: (compilation: Compilation) => void;
  readonly ran?: (run: ProgramRun) => void;
}
