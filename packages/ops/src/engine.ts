import type { Tensor } from '@tensorflow/tfjs-core';

/** Data types of arrays. The elements of `bool` arrays are bytes, 0 or 1. */
export type DType = 'float32' | 'int32' | 'bool';

/**
 * A typed array and its shape, in row-major order. Everything that goes into or comes out of an engine has this type.
 */
export interface NdArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array | Uint8Array;
}

/** Named arrays: inputs, outputs, and state outside an engine. */
export type Arrays = Readonly<Record<string, NdArray>>;

/** Named tensors: inputs, outputs, and state inside a program. */
export type Tensors = Record<string, Tensor>;

/**
 * A synchronous, pure function of named tensors that an engine compiles and runs.
 *
 * The engine keeps `state` between calls (parameters, optimizer moments, EMA). The returned `state` has the new values
 * of the entries that change; other entries keep their values. Names, shapes and dtypes of the state never change.
 * JavaScript numbers become constants when a program is traced, so whatever changes from call to call (learning rate,
 * timesteps, noise, dropout masks) must be one of `inputs`.
 */
export type Program = (state: Tensors, inputs: Tensors) => { state?: Tensors; outputs: Tensors };

/**
 * State inside an engine. All programs that the same engine compiled for state of these names, shapes and dtypes can
 * use one handle, so that a training step and a gradient-accumulation step share the state.
 */
export interface StateHandle {
  /**
   * Copies entries (default all) out of the engine. `into` are arrays to reuse: if one has the name, dtype and shape
   * of an entry, the engine may copy into it and return it, which avoids an allocation.
   * @throws {Error} if a name is unknown
   */
  read(names?: readonly string[], into?: Arrays): Promise<Arrays>;
  /**
   * Overwrites entries with copies of these arrays.
   * @throws {Error} if a name is unknown, or an array has another dtype or shape than the entry
   */
  write(arrays: Arrays): Promise<void>;
  /**
   * Changes entries in place: `change` gets their arrays and overwrites elements. These are the engine's arrays if
   * possible, otherwise copies that are written back. They must not be used after `change` has settled. If `change`
   * throws, the entries may or may not have been changed. Nothing else may use the handle in the meantime.
   * @throws {Error} if a name is unknown
   */
  update(names: readonly string[], change: (arrays: Arrays) => void | Promise<void>): Promise<void>;
  /** Frees the state. Using the handle afterwards throws an error. */
  dispose(): void;
}

/** A program bound to an engine. */
export interface CompiledProgram {
  /** Copies `arrays` into the engine as new state. */
  load(arrays: Arrays): Promise<StateHandle>;
  /**
   * Runs the program once: updates the state of `handle` and returns copies of the outputs.
   * @throws {Error} if another call on the handle is still running, or the program changes a state that it was compiled
   *   not to change (`frozenState`)
   */
  run(handle: StateHandle, inputs: Arrays): Promise<Arrays>;
  /** Frees the compiled program. Handles stay valid. */
  dispose(): Promise<void>;
}

export interface CompileOptions {
  /** Name for error messages, dumps and profiles. */
  readonly name?: string;
  /**
   * Name of a scalar output that decides whether a run updates the state. If it is 0 or false, the state stays
   * bit-identical to what it was before; the outputs are returned in either case. This has no cost: nothing is copied.
   */
  readonly commitIf?: string;
  /**
   * Names of scalar outputs; if one of them is infinite or NaN, the run does not update the state either. This is checked
   * on the CPU: a device may compute `isFinite` wrongly.
   */
  readonly commitIfFinite?: readonly string[];
  /**
   * The program never changes the state, and runs many times on the same values, as a sampler does. Every engine then
   * refuses a program that changes it. `@dm/jit` on the CPU also compiles the values in, so that the runtime rearranges
   * weights once instead of in each run: once per handle and shapes of inputs, and again after the state has changed. Each
   * compilation has its own copy of the values, which must be smaller than 2 GiB. Results agree up to rounding. Default:
   * false.
   */
  readonly frozenState?: boolean;
}

/** Runs programs, either eagerly on a TF.js backend or compiled (`@dm/jit`). */
export interface Engine {
  /** `onnx`, `tfjs-cpu`, `tfjs-wasm`, `tfjs-webgpu`, `tfjs-node`, or `tfjs-node-gpu`. */
  readonly name: string;
  /** Properties that affect the bits of results: versions, threads, chosen kernels. Plain JSON data. */
  readonly info: Readonly<Record<string, string | number | boolean>>;
  compile(program: Program, options?: CompileOptions): CompiledProgram;
  dispose(): Promise<void>;
}
