/** Compiles a program for one signature into runtime sessions and, if the step is split, an update kernel. */
import { type Arrays, checkFrozenState, type Precision, type Program } from '@dm/ops';
import { type Graph, type PortValue, sizeOf, type TensorSpec, type TensorSpecs } from './graph/graph.js';
import { type Port, type PortKind, portName } from './graph/port.js';
import { EngineError } from './errors.js';
import type { Compilation } from './inspect/observer.js';
import type { LowerOptions } from './lower/context.js';
import { lowerGraph } from './lower/lower-graph.js';
import { encodeModel, type OnnxModel } from './onnx/proto.js';
import { freezeState } from './passes/freeze-state.js';
import { runPipeline } from './passes/pipeline.js';
import { findRefusedNode, needsCpu } from './runtime/refused-node.js';
import { trace } from './trace/trace.js';
import type { SharedUpdates } from './update/shared-updates.js';
import type { UpdateKernel } from './update/update-kernel.js';
import type { WasmModule } from './update/wasm-api.js';

/** An input or output of a session: one of the engine's arrays, or the slice of one named by its port. */
export interface TensorSlice extends TensorSpec {
  /** Name of the input or output in the model. */
  readonly name: string;
  readonly port: Port;
}

/** Any session. */
export interface Releasable {
  release(): Promise<void>;
}

/** A graph compiled to a session: of the engine's arrays (`RuntimeSession`), or of a device (`DeviceSession`). */
export interface Segment<Session> {
  readonly session: Session;
  readonly reads: readonly TensorSlice[];
  readonly writes: readonly TensorSlice[];
}

/** A graph compiled to a kernel that updates the state in place. */
export interface UpdateSegment extends Omit<UpdateKernel, 'bytes'> {
  readonly module: WasmModule;
}

/** Ports whose arrays belong to a specialization: all except the state's. */
export type BufferKind = Exclude<PortKind, 'state' | 'next'>;

/** A program compiled for one signature. */
export interface Specialization<Session> {
  /** Computes the outputs, and the new state if the program is not split. */
  readonly main: Segment<Session>;
  /** Computes the new state of a split program (passes/split-update.ts). */
  readonly update: UpdateSegment | undefined;
  /** State entries that `main` writes to the second of their two buffers; the buffers are swapped after a call. */
  readonly swaps: readonly string[];
  /** The arrays besides the state, by name: inputs, outputs, and what `main` computes for `update`. */
  readonly buffers: Readonly<Record<BufferKind, TensorSpecs>>;
}

/** What a program is compiled for. */
export interface Signature {
  readonly state: TensorSpecs;
  readonly inputs: TensorSpecs;
}

export interface CompilerOptions<Session> {
  readonly lower: LowerOptions;
  readonly createSession: (model: Uint8Array) => Promise<Session>;
  /** For states in shared memory, which threads update; without it, all states are in ordinary memory. */
  readonly updates?: SharedUpdates | undefined;
  /** Rejects if the engine's device cannot compute products in this precision; not called for `f32`. */
  readonly checkPrecision: (precision: Precision) => Promise<void>;
  /** Called with each compiled graph. */
  readonly compiled: (compilation: Compilation) => void;
}

/**
 * Traces, optimizes, and lowers `program`, and creates the runtime sessions. `frozen` says that the program may not
 * change the state; if it is the state's values, they are compiled in.
 * @throws {TraceError} if the program cannot be traced or lowered
 * @throws {TypeError} if the program changes a frozen state
 * @throws {EngineError} if the runtime refuses a graph, the device a precision of the program, or frozen values are too
 *   large for a model
 */
export async function compileProgram<Session extends Releasable>(
  program: Program,
  name: string,
  { state, inputs }: Signature,
  options: CompilerOptions<Session>,
  frozen: boolean | Arrays = false,
): Promise<Specialization<Session>> {
  const lap = stopwatch();
  const traced = traceProgram(program, name, { state, inputs }, frozen);
  for (const precision of new Set(traced.nodes.map((node) => node.precision))) {
    if (precision !== undefined) await options.checkPrecision(precision);
  }
  const traceMs = lap();
  const updates = options.updates?.isShareable(state) === true ? options.updates : undefined;
  const graphs = runPipeline(traced, {
    kind: options.lower.target ?? 'cpu',
    blocked: options.lower.blocked,
    updates,
  });
  const optimizeMs = lap();
  const main = await compileSegment(graphs.main, { trace: traceMs, optimize: optimizeMs }, options);
  const update = graphs.update && updates && (await compileUpdate(graphs.update, updates, options));
  return { main, update, swaps: statesWrittenBy(main), buffers: bufferSpecs(main, graphs.update?.inputs ?? []) };
}

function traceProgram(program: Program, name: string, { state, inputs }: Signature, frozen: boolean | Arrays): Graph {
  const traced = trace(program, state, inputs, name);
  if (frozen === false) return traced;
  checkFrozenState(
    name,
    traced.outputs.flatMap(({ port }) => (port.kind === 'next' ? [port.name] : [])),
  );
  return frozen === true ? traced : freezeState(traced, frozen);
}

/** Creates the session of a graph. */
async function compileSegment<Session extends Releasable>(
  graph: Graph,
  before: Pick<Compilation['ms'], 'trace' | 'optimize'>,
  { lower, createSession, compiled }: CompilerOptions<Session>,
): Promise<Segment<Session>> {
  const lap = stopwatch();
  const model = lowerGraph(graph, lower);
  const lowerMs = lap();
  const bytes = encodeModel(model);
  const encodeMs = lap();
  const session = await createSession(bytes).catch(async (cause: unknown): Promise<never> => {
    throw needsCpu(cause) ? await refusedError(graph.name, model, createSession, cause) : cause;
  });
  const sessionMs = lap();
  const ms = { ...before, lower: lowerMs, encode: encodeMs, session: sessionMs };
  compiled({ name: graph.name, graph, format: 'onnx', bytes, ms });
  return {
    session,
    reads: tensorSlices(model.inputs, graph.inputs),
    writes: tensorSlices(model.outputs, graph.outputs),
  };
}

/** The error for a graph that a device cannot run alone, with the operator that it lacks. */
async function refusedError<Session extends Releasable>(
  name: string,
  model: OnnxModel,
  createSession: CompilerOptions<Session>['createSession'],
  cause: unknown,
): Promise<EngineError> {
  const node = await findRefusedNode(model, async (part) => {
    try {
      await (await createSession(encodeModel(part))).release();
      return true;
    } catch (error) {
      if (needsCpu(error)) return false;
      throw error;
    }
  });
  const what = node === undefined ? 'one of its operators' : `${node.op} (node "${node.name}")`;
  return new EngineError(
    'DEVICE_UNSUPPORTED',
    `${name}: the device cannot compute ${what}, and the engine does not move work from a device to the CPU. ` +
      'Write the program without it, or use the device "cpu".',
    { cause },
  );
}

/** Creates the kernel of a graph. */
async function compileUpdate(
  graph: Graph,
  { kernel, compile }: SharedUpdates,
  { compiled }: Pick<CompilerOptions<unknown>, 'compiled'>,
): Promise<UpdateSegment> {
  const lap = stopwatch();
  const { bytes, ...ports } = kernel(graph);
  const lowerMs = lap();
  const module = await compile(bytes);
  const sessionMs = lap();
  const ms = { trace: 0, optimize: 0, lower: lowerMs, encode: 0, session: sessionMs };
  compiled({ name: graph.name, graph, format: 'wasm', bytes, ms });
  return { ...ports, module };
}

/** The inputs or outputs of a model, each with its port in the graph. */
function tensorSlices(infos: OnnxModel['inputs'], values: readonly PortValue[]): TensorSlice[] {
  const byName = new Map(values.map((portValue) => [portName(portValue.port), portValue]));
  return infos.map(({ name }) => {
    const { port, value } = byName.get(name)!;
    return { name, port, dtype: value.dtype, shape: value.shape };
  });
}

/** Names of the state entries that a segment writes. */
function statesWrittenBy({ writes }: Segment<unknown>): string[] {
  return [...new Set(writes.flatMap(({ port }) => (port.kind === 'next' ? [port.name] : [])))];
}

/** Type and shape of the arrays that are not state, of `main` and of the update. An array passed in slices is a vector. */
function bufferSpecs(
  { reads, writes }: Segment<unknown>,
  ofUpdate: readonly PortValue[],
): Specialization<unknown>['buffers'] {
  const buffers: Record<BufferKind, Record<string, TensorSpec>> = { input: {}, output: {}, intermediate: {} };
  const specsOf = ({ kind }: Port) => (kind === 'state' || kind === 'next' ? undefined : buffers[kind]);
  for (const { port, value } of ofUpdate) {
    const specs = specsOf(port);
    if (specs !== undefined) specs[port.name] = { dtype: value.dtype, shape: value.shape };
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

/** Returns the milliseconds since the last call, or since it was created. */
function stopwatch(): () => number {
  let last = performance.now();
  return () => {
    const now = performance.now();
    const ms = now - last;
    last = now;
    return ms;
  };
}
