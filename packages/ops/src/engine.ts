import type { Tensor } from '@tensorflow/tfjs-core';

/** Data types that cross the border of an engine. `bool` travels as bytes, 0 or 1. */
export type DType = 'float32' | 'int32' | 'bool';

/** A typed array with its shape: the only thing that crosses the border of an engine, in either direction. */
export interface NdArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array | Uint8Array;
}

/** Named arrays outside an engine. */
export type Arrays = Readonly<Record<string, NdArray>>;

/** Named tensors inside a program. */
export type Tensors = Record<string, Tensor>;

/**
 * What an engine compiles: a synchronous, pure function of named tensors.
 *
 * `state` is what the engine keeps between calls (parameters, moments, EMA); the returned `state` holds the new
 * value of each entry that changes, and an entry left out stays as it is. Names and shapes of the state never
 * change. While a program is traced a JavaScript number is a constant: whatever changes from call to call
 * (learning rate, timesteps, noise, dropout masks) must be one of `inputs`.
 */
export type Program = (state: Tensors, inputs: Tensors) => { state?: Tensors; outputs: Tensors };

/**
 * State that lives inside an engine. A handle may be given to every program that the same engine compiled and
 * whose state has these names and shapes, so that a training step and a gradient-accumulation step share it.
 */
export interface StateHandle {
  /**
   * Copies the named entries (all by default) out of the engine. `into`: arrays that are no longer needed; if one
   * has the name, dtype and shape of an entry the engine may copy into it and give it back, which spares a large state
   * the time that new memory takes.
   * @throws {Error} on an unknown name
   */
  read(names?: readonly string[], into?: Arrays): Promise<Arrays>;
  /**
   * Overwrites the named entries with copies.
   * @throws {Error} on an unknown name or another shape
   */
  write(arrays: Arrays): Promise<void>;
  /** Frees the state; using the handle afterwards throws. */
  dispose(): void;
}

/** A program bound to an engine. */
export interface CompiledProgram {
  /** Copies `arrays` into the engine as the state that the program works on. */
  load(arrays: Arrays): Promise<StateHandle>;
  /**
   * Runs the program once: updates the state behind `handle` and returns copies of the outputs. Calls on one
   * handle must not overlap; the engine throws when they do.
   */
  run(handle: StateHandle, inputs: Arrays): Promise<Arrays>;
  /** Frees what compiling made; handles stay valid. */
  dispose(): Promise<void>;
}

export interface CompileOptions {
  /** Shown in errors, dumps and profiles. */
  readonly name?: string;
  /**
   * Name of a scalar output that decides whether a run counts: if it is 0 (or false), the state stays as it was
   * before the run, to the bit. The outputs are returned all the same. It costs nothing: no value is selected or copied.
   */
  readonly commitIf?: string;
}

/** Runs programs: eagerly on a TF.js backend, or compiled (`@dm/jit`). */
export interface Engine {
  /** As the user writes it after `--engine`: `onnx`, `tfjs-cpu`, `tfjs-wasm`, `tfjs-node`, `tfjs-node-gpu`, ... */
  readonly name: string;
  /** What decides the bits of a result besides the program: versions, threads, chosen kernels. Plain JSON data. */
  readonly info: Readonly<Record<string, string | number | boolean>>;
  compile(program: Program, options?: CompileOptions): CompiledProgram;
  dispose(): Promise<void>;
}
