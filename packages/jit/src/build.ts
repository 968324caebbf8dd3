/** From a program to a session of the runtime, and a kernel, for one signature. */
import type { Program } from '@dm/ops';
import { lowerGraph } from './compile.js';
import { type Graph, sizeOf } from './graph.js';
import type { LowerOptions } from './lower/lowering.js';
import type { Compilation } from './observer.js';
import { encodeModel, type OnnxModel } from './onnx/proto.js';
import { deadCode } from './passes/dead-code.js';
import { filterGradientsFirst } from './passes/filter-gradients-first.js';
import { optimize } from './passes/index.js';
import { splitUpdate } from './passes/split-update.js';
import { upsampledConvolutions } from './passes/upsampled-convolutions.js';
import { sumsOfSquares } from './passes/sums-of-squares.js';
import { type Pieces, vectorPieces } from './passes/vector-pieces.js';
import type { Session } from './runtime/runtime.js';
import { type ArraySpec, type ArraySpecs, PREFIX, trace } from './trace.js';
import { type UpdateKernel, updateKernel } from './update/kernel.js';
import { isShareable } from './update/shared-memory.js';
import { type WasmModule, webAssembly } from './update/web-assembly.js';

/** An input or output of a session: an array, or a stretch of one. */
export interface Place extends ArraySpec {
  /** Of the input or output. */
  readonly name: string;
  /** Of the array, with its prefix. */
  readonly array: string;
  /** Elements of the array before it. */
  readonly offset: number;
}

/** A graph as a session of the runtime. */
export interface Part {
  readonly session: Session;
  readonly reads: readonly Place[];
  readonly writes: readonly Place[];
}

/** A graph as a kernel, which writes the state where it reads it. */
export interface Update extends Omit<UpdateKernel, 'bytes'> {
  readonly module: WasmModule;
}

/** A program compiled for one signature. */
export interface Variant {
  /** Computes the outputs, and the new state of a program that is in one part. */
  readonly main: Part;
  /** Computes the new state of a program that is parted (passes/split-update.ts). */
  readonly update: Update | undefined;
  /** Names of the state that `main` writes elsewhere, and that then changes places. */
  readonly next: readonly string[];
  /** The arrays besides the state, by their names with prefix: inputs, outputs, and what `main` leaves for `update`. */
  readonly arrays: ArraySpecs;
}

export interface BuildOptions {
  readonly lower: LowerOptions;
  readonly createSession: (model: Uint8Array) => Promise<Session>;
  /** Whether states lie in shared memory where they can, for threads to update them there. */
  readonly sharing: boolean;
  /** Is told of each graph. */
  readonly compiled: (compilation: Compilation) => void;
}

/** Traces, optimizes and lowers `program`, and makes the sessions. Throws what tracing and the runtime throw. */
export async function build(
  program: Program,
  name: string,
  state: ArraySpecs,
  inputs: ArraySpecs,
  options: BuildOptions,
): Promise<Variant> {
  const clock = stopwatch();
  const traced = trace(program, state, inputs, name);
  const traceMs = clock();
  const graph = deadCode(upsampledConvolutions(optimize(traced), options.lower.block ?? 0));
  const split = options.sharing && isShareable(state) ? splitUpdate(graph) : undefined;
  const main = await open(
    inPieces(filterGradientsFirst(split?.main ?? graph)),
    { trace: traceMs, optimize: clock() },
    options,
  );
  const update = split && (await compileUpdate(split.update, options));
  const scalars = Object.fromEntries(
    (update?.scalars ?? []).map((key) => [key, { dtype: 'float32', shape: [] } as const]),
  );
  return { main, update, next: writtenBy(main), arrays: { ...scalars, ...arraysOf(main) } };
}

/** Long vectors in pieces, and then the sums of their squares. */
function inPieces(graph: Graph): Pieces {
  const pieces = vectorPieces(graph);
  return { ...pieces, graph: sumsOfSquares(pieces.graph) };
}

/** Makes the kernel of a graph. */
async function compileUpdate(graph: Graph, { compiled }: BuildOptions): Promise<Update> {
  const clock = stopwatch();
  const { bytes, ...names } = updateKernel(graph);
  const lower = clock();
  const module = await webAssembly.compile(bytes);
  compiled({
    name: graph.name,
    graph,
    format: 'wasm',
    bytes,
    ms: { trace: 0, optimize: 0, lower, encode: 0, session: clock() },
  });
  return { ...names, module };
}

/** Makes the session of a graph. */
async function open(
  { graph, stretches }: Pieces,
  before: Pick<Compilation['ms'], 'trace' | 'optimize'>,
  { lower, createSession, compiled }: BuildOptions,
): Promise<Part> {
  const clock = stopwatch();
  const model = lowerGraph(graph, lower);
  const lowerMs = clock();
  const bytes = encodeModel(model);
  const encodeMs = clock();
  const session = await createSession(bytes);
  compiled({
    name: graph.name,
    graph,
    format: 'onnx',
    bytes,
    ms: { ...before, lower: lowerMs, encode: encodeMs, session: clock() },
  });
  const places = (infos: OnnxModel['inputs']): Place[] =>
    infos.map(({ name, type, dims }) => {
      const { name: array, offset } = stretches.get(name) ?? { name, offset: 0 };
      return { name, array, offset, dtype: type as ArraySpec['dtype'], shape: dims as readonly number[] };
    });
  return { session, reads: places(model.inputs), writes: places(model.outputs) };
}

/** Names of the state that a part writes. */
function writtenBy({ writes }: Part): string[] {
  const next = writes.filter(({ array }) => array.startsWith(PREFIX.next));
  return [...new Set(next.map(({ array }) => array.slice(PREFIX.next.length)))];
}

/** Type and shape of the arrays that are not state. One that goes by stretches is a vector. */
function arraysOf({ reads, writes }: Part): ArraySpecs {
  const isState = (array: string) => [PREFIX.state, PREFIX.next].some((prefix) => array.startsWith(prefix));
  const specs: Record<string, ArraySpec> = {};
  for (const { name, array, offset, dtype, shape } of [...reads, ...writes]) {
    if (isState(array)) continue;
    const known = sizeOf(specs[array]?.shape ?? [0]);
    specs[array] = name === array ? { dtype, shape } : { dtype, shape: [Math.max(known, offset + sizeOf(shape))] };
  }
  return specs;
}

/** Milliseconds since the last call, or since it was made. */
function stopwatch(): () => number {
  let last = performance.now();
  return () => {
    const now = performance.now();
    const ms = now - last;
    last = now;
    return ms;
  };
}
