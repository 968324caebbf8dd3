import type { Graph } from '../graph/graph.js';

/**
 * One graph of a program, compiled for one signature of its state and inputs. A step that is split has two: the second is
 * called `<name>, update`, is a kernel of WebAssembly, and its tracing is in the time of the first.
 */
export interface Compilation {
  /** The program's name. */
  readonly name: string;
  /** The traced graph after all passes. */
  readonly graph: Graph;
  /** Which kind of file it became. */
  readonly format: 'onnx' | 'wasm';
  /** That file: what the runtime was given. */
  readonly bytes: Uint8Array;
  /** Milliseconds of each phase, in the order in which they ran. */
  readonly ms: {
    readonly trace: number;
    readonly optimize: number;
    readonly lower: number;
    readonly encode: number;
    /** The runtime's own: it reads, optimizes and prepares the graph, or compiles the kernel. */
    readonly session: number;
  };
}

/** One call of a compiled program. */
export interface ProgramRun {
  readonly name: string;
  /** Milliseconds of the whole call. A first call compiles too. */
  readonly ms: number;
  /** Milliseconds of it inside the runtime, the kernel of the update included. What is left is JavaScript's. */
  readonly sessionMs: number;
  /** Milliseconds of `sessionMs` in that kernel; 0 of a step that is not split. */
  readonly updateMs: number;
}

/** Is told what the engine does: for benchmarks, profiles and dumps. */
export interface EngineObserver {
  readonly compiled?: (compilation: Compilation) => void;
  readonly ran?: (run: ProgramRun) => void;
}
