/** From a program to a session of the runtime, and a kernel, for one signature. */
import type { Program } from '@dm/ops';
import { type Graph, type PortValue, sizeOf, type TensorSpec, type TensorSpecs } from './graph/graph.js';
import { type Port, type PortKind, portName } from './graph/port.js';
import type { Compilation } from './inspect/observer.js';
import type { LowerOptions } from './lower/context.js';
import { lowerGraph } from './lower/lower-graph.js';
import { encodeModel, type OnnxModel } from './onnx/proto.js';
import { runPipeline } from './passes/pipeline.js';
import type { RuntimeSession } from './runtime/runtime.js';
import { trace } from './trace/trace.js';
import { isShareable } from './update/shared-memory.js';
import { type UpdateKernel, updateKernel } from './update/update-kernel.js';
import { type WasmModule, wasmApi } from './update/wasm-api.js';

/** An input or output of a session: an array of the engine's, or the slice of one that its port names. */
export interface TensorSlice extends TensorSpec {
  /** Of the input or output. */
  readonly name: string;
  readonly port: Port;
}

/** A graph as a session of the runtime. */
export interface Segment {
  readonly session: RuntimeSession;
  readonly reads: readonly TensorSlice[];
  readonly writes: readonly TensorSlice[];
}

/** A graph as a kernel, which writes the state where it reads it. */
export interface UpdateSegment extends Omit<UpdateKernel, 'bytes'> {
  readonly module: WasmModule;
}

/** The ports whose arrays belong to a specialization: all but those of the state. */
export type BufferKind = Exclude<PortKind, 'state' | 'next'>;

/** A program compiled for one signature. */
export interface Specialization {
  /** Computes the outputs, and the new state of a program that is one segment. */
  readonly main: Segment;
  /** Computes the new state of a program that is split (passes/split-update.ts). */
  readonly update: UpdateSegment | undefined;
  /** Names of the state that `main` writes to the second of its two buffers: these are swapped after a call. */
  readonly swaps: readonly string[];
  /** The arrays besides the state, by name: inputs, outputs, and what `main` leaves for `update`. */
  readonly buffers: Readonly<Record<BufferKind, TensorSpecs>>;
}

export interface CompilerOptions {
  readonly lower: LowerOptions;
  readonly createSession: (model: Uint8Array) => Promise<RuntimeSession>;
  /** Whether states lie in shared memory where they can, for threads to update them there. */
  readonly sharedMemory: boolean;
  /** Is told of each graph. */
  readonly compiled: (compilation: Compilation) => void;
}

/** Traces, optimizes and lowers `program`, and makes the sessions. Throws what tracing and the runtime throw. */
export async function compileProgram(
  program: Program,
  name: string,
  state: TensorSpecs,
  inputs: TensorSpecs,
  options: CompilerOptions,
): Promise<Specialization> {
  const lap = stopwatch();
  const traced = trace(program, state, inputs, name);
  const traceMs = lap();
  const graphs = runPipeline(traced, {
    kind: 'engine',
    block: options.lower.block ?? 0,
    sharedState: options.sharedMemory && isShareable(state),
  });
  const optimizeMs = lap();
  const main = await compileSegment(graphs.main, { trace: traceMs, optimize: optimizeMs }, options);
  const update = graphs.update && (await compileUpdate(graphs.update, options));
  return { main, update, swaps: statesWrittenBy(main), buffers: bufferSpecs(main, update) };
}

/** Makes the session of a graph. */
async function compileSegment(
  graph: Graph,
  before: Pick<Compilation['ms'], 'trace' | 'optimize'>,
  { lower, createSession, compiled }: CompilerOptions,
): Promise<Segment> {
  const lap = stopwatch();
  const model = lowerGraph(graph, lower);
  const lowerMs = lap();
  const bytes = encodeModel(model);
  const encodeMs = lap();
  const session = await createSession(bytes);
  const sessionMs = lap();
  const ms = { ...before, lower: lowerMs, encode: encodeMs, session: sessionMs };
  compiled({ name: graph.name, graph, format: 'onnx', bytes, ms });
  return {
    session,
    reads: tensorSlices(model.inputs, graph.inputs),
    writes: tensorSlices(model.outputs, graph.outputs),
  };
}

/** Makes the kernel of a graph. */
async function compileUpdate(graph: Graph, { compiled }: CompilerOptions): Promise<UpdateSegment> {
  const lap = stopwatch();
  const { bytes, ...ports } = updateKernel(graph);
  const lowerMs = lap();
  const module = await wasmApi.compile(bytes);
  const sessionMs = lap();
  const ms = { trace: 0, optimize: 0, lower: lowerMs, encode: 0, session: sessionMs };
  compiled({ name: graph.name, graph, format: 'wasm', bytes, ms });
  return { ...ports, module };
}

/** The inputs or outputs that a model has, with the ports of the graph that they are. */
function tensorSlices(infos: OnnxModel['inputs'], values: readonly PortValue[]): TensorSlice[] {
  const byName = new Map(values.map((portValue) => [portName(portValue.port), portValue]));
  return infos.map(({ name }) => {
    const { port, value } = byName.get(name)!;
    return { name, port, dtype: value.dtype, shape: value.shape };
  });
}

/** Names of the state that a segment writes. */
function statesWrittenBy({ writes }: Segment): string[] {
  return [...new Set(writes.flatMap(({ port }) => (port.kind === 'next' ? [port.name] : [])))];
}

/** Type and shape of the arrays that are not state. One that enters or leaves in slices is a vector. */
function bufferSpecs({ reads, writes }: Segment, update: UpdateSegment | undefined): Specialization['buffers'] {
  const buffers: Record<BufferKind, Record<string, TensorSpec>> = { input: {}, output: {}, intermediate: {} };
  const specsOf = ({ kind }: Port) => (kind === 'state' || kind === 'next' ? undefined : buffers[kind]);
  for (const port of update?.scalars ?? []) {
    const specs = specsOf(port);
    if (specs !== undefined) specs[port.name] = { dtype: 'float32', shape: [] };
  }
  for (const { port, dtype, shape } of [...reads, ...writes]) {
    const specs = specsOf(port);
    if (specs === undefined) continue;
    const { name, slice } = port;
    const known = sizeOf(specs[name]?.shape ?? [0]);
    specs[name] = { dtype, shape: slice === undefined ? shape : [Math.max(known, slice.offset + slice.length)] };
  }
  return buffers;
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
