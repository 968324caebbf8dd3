/** From a program to sessions of the runtime, for one signature. */
import type { Program } from '@dm/ops';
import { lowerGraph } from './compile.js';
import { sizeOf } from './graph.js';
import { inPlace } from './in-place.js';
import type { LowerOptions } from './lower/lowering.js';
import type { Compilation } from './observer.js';
import { encodeModel, type OnnxModel } from './onnx/proto.js';
import { deadCode } from './passes/dead-code.js';
import { filterGradientsFirst } from './passes/filter-gradients-first.js';
import { optimise } from './passes/index.js';
import { splitUpdate } from './passes/split-update.js';
import { upsampledConvolutions } from './passes/upsampled-convolutions.js';
import { evenPieces, type Pieces, SMALLEST, vectorPieces } from './passes/vector-pieces.js';
import type { Session } from './runtime/runtime.js';
import { type ArraySpec, type ArraySpecs, PREFIX, trace } from './trace.js';

/** Elements of a piece of an update: 2^20 is slower, 2^18 no faster, and its graph takes seconds to prepare for 10^8 parameters. */
const UPDATE_PIECE = 2 ** 19;

/** An input or output of a session: an array, or a stretch of one. */
export interface Place extends ArraySpec {
  /** Of the input or output. */
  readonly name: string;
  /** Of the array, with its prefix. */
  readonly array: string;
  /** Elements of the array before it. */
  readonly offset: number;
}

/** One graph of a program. */
export interface Part {
  readonly session: Session;
  readonly reads: readonly Place[];
  readonly writes: readonly Place[];
}

/** A program compiled for one signature. */
export interface Variant {
  /** Computes the outputs, and the new state of a program that is in one part. */
  readonly main: Part;
  /** Computes the new state of a program that is parted (passes/split-update.ts). */
  readonly update: Part | undefined;
  /** Names of the state that `update` writes where it reads. */
  readonly inPlace: ReadonlySet<string>;
  /** Names of the state that is written elsewhere, and then changes places. */
  readonly next: readonly string[];
  /** The arrays besides the state, by their names with prefix: inputs, outputs, and what `main` leaves for `update`. */
  readonly arrays: ArraySpecs;
}

export interface BuildOptions {
  readonly lower: LowerOptions;
  readonly createSession: (model: Uint8Array) => Promise<Session>;
  /** Is told of each graph. */
  readonly compiled: (compilation: Compilation) => void;
}

/** Traces, optimises and lowers `program`, and makes the sessions. Throws what tracing and the runtime throw. */
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
  const graph = deadCode(upsampledConvolutions(optimise(traced), options.lower.block ?? 0));
  // Shorter vectors are not taken apart either.
  const split = splitUpdate(graph, 2 * SMALLEST);
  const main = vectorPieces(filterGradientsFirst(split?.main ?? graph));
  const update = split && evenPieces(split.update, split.length, UPDATE_PIECE);
  const optimiseMs = clock();

  const first = await open(main, { trace: traceMs, optimise: optimiseMs }, options);
  if (update === undefined) {
    return {
      main: first.part,
      update,
      inPlace: new Set(),
      next: writtenBy(first.part),
      arrays: arraysOf([first.part]),
    };
  }
  const second = await open(update, { trace: 0, optimise: 0 }, options);
  const there = inPlace(second.model, update.stretches);
  return {
    main: first.part,
    update: second.part,
    inPlace: there,
    next: writtenBy(second.part).filter((entry) => !there.has(entry)),
    arrays: arraysOf([first.part, second.part]),
  };
}

/** Makes the session of a graph. */
async function open(
  { graph, stretches }: Pieces,
  before: Pick<Compilation['ms'], 'trace' | 'optimise'>,
  { lower, createSession, compiled }: BuildOptions,
): Promise<{ readonly model: OnnxModel; readonly part: Part }> {
  const clock = stopwatch();
  const model = lowerGraph(graph, lower);
  const lowerMs = clock();
  const bytes = encodeModel(model);
  const encodeMs = clock();
  const session = await createSession(bytes);
  compiled({
    name: graph.name,
    graph,
    model,
    bytes,
    ms: { ...before, lower: lowerMs, encode: encodeMs, session: clock() },
  });
  const places = (infos: OnnxModel['inputs']): Place[] =>
    infos.map(({ name, type, dims }) => {
      const { name: array, offset } = stretches.get(name) ?? { name, offset: 0 };
      return { name, array, offset, dtype: type as ArraySpec['dtype'], shape: dims as readonly number[] };
    });
  return { model, part: { session, reads: places(model.inputs), writes: places(model.outputs) } };
}

/** Names of the state that a part writes. */
function writtenBy({ writes }: Part): string[] {
  const next = writes.filter(({ array }) => array.startsWith(PREFIX.next));
  return [...new Set(next.map(({ array }) => array.slice(PREFIX.next.length)))];
}

/** Type and shape of the arrays that are not state. One that goes by stretches is a vector. */
function arraysOf(parts: readonly Part[]): ArraySpecs {
  const isState = (array: string) => [PREFIX.state, PREFIX.next].some((prefix) => array.startsWith(prefix));
  const specs: Record<string, ArraySpec> = {};
  for (const { name, array, offset, dtype, shape } of parts.flatMap(({ reads, writes }) => [...reads, ...writes])) {
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
