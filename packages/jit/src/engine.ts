import {
  isCommitted,
  type Arrays,
  type CompiledProgram,
  type CompileOptions,
  type Engine,
  type NdArray,
  type Program,
  type StateHandle,
} from '@dm/ops';
import { lowerGraph } from './compile.js';
import { sameShape, sizeOf } from './graph.js';
import type { EngineObserver } from './observer.js';
import { encodeModel, type OnnxModel } from './onnx/proto.js';
import { deadCode } from './passes/dead-code.js';
import { filterGradientsFirst } from './passes/filter-gradients-first.js';
import { optimise } from './passes/index.js';
import { upsampledConvolutions } from './passes/upsampled-convolutions.js';
import { type Stretch, vectorPieces } from './passes/vector-pieces.js';
import { arrayTypes, emptyArray } from './runtime/arrays.js';
import { loadRuntime, processors } from './runtime/load.js';
import { findBlock, tryDevice } from './runtime/probes.js';
import { type Device, devices, type Runtime, type Session, type SessionSettings } from './runtime/runtime.js';
import { type ArraySpec, type ArraySpecs, PREFIX, trace } from './trace.js';

export interface OnnxEngineOptions {
  /** Threads inside one operator, at least 1. Default: the machine's cores as the runtime counts them. */
  readonly threads?: number;
  /**
   * `auto` (default) uses the runtime's blocked convolutions where a probe finds that they agree with the plain ones;
   * `plain` never does.
   */
  readonly convolutions?: 'auto' | 'plain';
  /** What computes. Default `cpu`; on another device only the standard operators are used, and state goes there and back. */
  readonly device?: Device;
  /**
   * The runtime to use, `javascriptRuntime(module, name)` for instance. Default: ONNX Runtime's C API under Node, or
   * onnxruntime-node where that cannot be reached or the device is not the processor; onnxruntime-web elsewhere.
   */
  readonly runtime?: Runtime;
  /** Is told of each compilation and each call. */
  readonly observer?: EngineObserver;
  /**
   * Beginning of the names of the files that the runtime writes a profile of each session to, such as
   * `folder/session`; complete once the program or the engine is disposed of, and read by `parseProfile`. Slows every
   * call down.
   */
  readonly profilePrefix?: string;
}

/**
 * The compiling engine: traces a program once for each signature of its inputs, lowers it to an ONNX graph and runs
 * that, one session call a step. Throws when the runtime package is not installed, `threads` is not a positive integer,
 * or the device does not work here, with the runtime's reason.
 */
export async function onnxEngine(options: OnnxEngineOptions = {}): Promise<Engine> {
  const { threads, device = 'cpu' } = options;
  if (!devices.includes(device)) {
    throw new RangeError(`onnxEngine: no device "${device as string}"; there are ${devices.join(', ')}`);
  }
  if (threads !== undefined && (!Number.isInteger(threads) || threads < 1)) {
    throw new RangeError(`onnxEngine: threads must be a positive integer, not ${threads}`);
  }
  const runtime = options.runtime ?? (await loadRuntime(device));
  if (device !== 'cpu') await tryDevice(runtime, device);
  const block = options.convolutions === 'plain' || device !== 'cpu' ? 0 : await findBlock(runtime);
  const info = {
    runtime: runtime.name,
    device,
    threads: threads ?? `chosen by the runtime, ${await processors()} processors`,
    block,
  };
  return new OnnxEngine(runtime, info, options);
}

type Buffers = { current: NdArray; next: NdArray | undefined };

class OnnxEngine implements Engine {
  readonly name = 'onnx';
  private readonly programs = new Set<OnnxProgram>();
  private disposed = false;

  constructor(
    readonly runtime: Runtime,
    readonly info: Readonly<Record<string, string | number | boolean>>,
    private readonly options: Pick<OnnxEngineOptions, 'threads' | 'device' | 'observer' | 'profilePrefix'>,
  ) {}

  get observer(): EngineObserver {
    return this.options.observer ?? {};
  }

  compile(program: Program, options: CompileOptions = {}): CompiledProgram {
    if (this.disposed) throw new Error('the engine "onnx" has been disposed of');
    const compiled = new OnnxProgram(this, program, options.name ?? (program.name || 'program'), options.commitIf);
    this.programs.add(compiled);
    return compiled;
  }

  createSession(model: Uint8Array): Promise<Session> {
    const { threads, device = 'cpu', profilePrefix } = this.options;
    const settings: SessionSettings = {
      device,
      ...(threads !== undefined && { threads }),
      ...(profilePrefix !== undefined && { profilePrefix }),
    };
    return this.runtime.createSession(model, settings);
  }

  /** Frees the sessions of programs that their makers have not disposed of. */
  async dispose(): Promise<void> {
    this.disposed = true;
    await Promise.all([...this.programs].map((program) => program.dispose()));
  }

  forget(program: OnnxProgram): void {
    this.programs.delete(program);
  }
}

/**
 * State as pairs of arrays: a run reads the current ones and writes the next ones in place, then they change roles.
 * Nothing is allocated or copied from step to step.
 */
class OnnxState implements StateHandle {
  readonly buffers = new Map<string, Buffers>();
  running = false;
  private disposed = false;

  constructor(
    readonly engine: OnnxEngine,
    arrays: Arrays,
  ) {
    for (const [name, array] of Object.entries(arrays)) {
      checkArray(`state "${name}"`, array);
      this.buffers.set(name, { current: copyOf(array), next: undefined });
    }
  }

  get specs(): ArraySpecs {
    this.check();
    return Object.fromEntries(
      [...this.buffers].map(([name, { current }]) => [name, { dtype: current.dtype, shape: current.shape }]),
    );
  }

  /** The array that a run writes the entry's new value to. */
  target(name: string): NdArray {
    const buffers = this.entry(name);
    return (buffers.next ??= emptyArray(buffers.current));
  }

  swap(name: string): void {
    const buffers = this.entry(name);
    [buffers.current, buffers.next] = [buffers.next!, buffers.current];
  }

  async read(names: readonly string[] = [...this.buffers.keys()], into: Arrays = {}): Promise<Arrays> {
    this.check();
    return Object.fromEntries(names.map((name) => [name, copyInto(into[name], this.entry(name).current)]));
  }

  async write(arrays: Arrays): Promise<void> {
    this.check();
    for (const [name, array] of Object.entries(arrays)) {
      const { current } = this.entry(name);
      if (!sameShape(current.shape, array.shape) || current.dtype !== array.dtype) {
        throw new Error(`state "${name}" is ${describe(current)}; ${describe(array)} cannot be written to it`);
      }
      current.data.set(array.data);
    }
  }

  dispose(): void {
    if (this.running) throw new Error('a state handle cannot be disposed of while a program runs on it');
    this.buffers.clear();
    this.disposed = true;
  }

  private entry(name: string): Buffers {
    const buffers = this.buffers.get(name);
    if (buffers === undefined) throw new Error(`no state "${name}"; there are ${[...this.buffers.keys()].join(', ')}`);
    return buffers;
  }

  private check(): void {
    if (this.disposed) throw new Error('this state handle has been disposed of');
    if (this.running) throw new Error('a program is running on this state handle; await it first');
  }
}

/** A program compiled for one signature. */
interface Variant {
  readonly session: Session;
  /** What the graph reads: names of its inputs, and where they lie. */
  readonly reads: ReadonlyMap<string, Stretch | undefined>;
  /** What of the state it writes, likewise. */
  readonly writes: ReadonlyMap<string, Stretch | undefined>;
  /** Names of the state that a run writes. */
  readonly next: readonly string[];
  readonly outputs: ArraySpecs;
}

class OnnxProgram implements CompiledProgram {
  private readonly variants = new Map<string, Promise<Variant>>();
  private disposed = false;

  constructor(
    private readonly engine: OnnxEngine,
    private readonly program: Program,
    private readonly name: string,
    private readonly commitIf: string | undefined,
  ) {}

  async load(arrays: Arrays): Promise<StateHandle> {
    this.check();
    return new OnnxState(this.engine, arrays);
  }

  async run(handle: StateHandle, inputs: Arrays): Promise<Arrays> {
    this.check();
    if (!(handle instanceof OnnxState) || handle.engine !== this.engine) {
      throw new Error(`${this.name}: the state handle belongs to another engine`);
    }
    for (const [name, array] of Object.entries(inputs)) checkArray(`input "${name}"`, array);
    const specs = handle.specs;
    const began = performance.now();
    handle.running = true;
    try {
      const variant = await this.variant(specs, inputs);
      const given = new Map(Object.entries(inputs).map(([name, array]) => [PREFIX.input + name, array]));
      for (const [name, { current }] of handle.buffers) given.set(PREFIX.state + name, current);
      const reads = bind(variant.reads, (name) => given.get(name)!);
      const writes = bind(variant.writes, (name) => handle.target(name.slice(PREFIX.next.length)));
      const outputs = Object.fromEntries(
        Object.entries(variant.outputs).map(([name, spec]) => [name, emptyArray(spec)]),
      );
      for (const [name, array] of Object.entries(outputs)) writes[PREFIX.output + name] = array;
      const sessionBegan = performance.now();
      await variant.session.run(reads, writes);
      const sessionMs = performance.now() - sessionBegan;
      if (this.commitIf === undefined || isCommitted(this.name, outputs, this.commitIf)) {
        for (const name of variant.next) handle.swap(name);
      }
      this.engine.observer.ran?.({ name: this.name, ms: performance.now() - began, sessionMs });
      return outputs;
    } finally {
      handle.running = false;
    }
  }

  async dispose(): Promise<void> {
    this.disposed = true;
    this.engine.forget(this);
    const variants = await Promise.allSettled(this.variants.values());
    this.variants.clear();
    for (const variant of variants) if (variant.status === 'fulfilled') await variant.value.session.release();
  }

  private check(): void {
    if (this.disposed) throw new Error(`${this.name}: this program has been disposed of`);
  }

  private variant(state: ArraySpecs, inputs: ArraySpecs): Promise<Variant> {
    const signature = (specs: ArraySpecs) =>
      Object.entries(specs)
        .map(([name, { dtype, shape }]) => `${name}:${dtype}[${shape.join(',')}]`)
        .toSorted()
        .join(' ');
    const key = `${signature(state)} | ${signature(inputs)}`;
    let variant = this.variants.get(key);
    if (variant === undefined) {
      variant = this.build(state, inputs);
      this.variants.set(key, variant);
      // A failed compilation is not kept: the next call reports it afresh.
      variant.catch(() => this.variants.delete(key));
    }
    return variant;
  }

  private async build(state: ArraySpecs, inputs: ArraySpecs): Promise<Variant> {
    const clock = stopwatch();
    const traced = trace(this.program, state, inputs, this.name);
    const traceMs = clock();
    const { device } = this.engine.info;
    const block = this.engine.info['block'] as number;
    const optimised = deadCode(upsampledConvolutions(optimise(traced), block));
    const { graph, stretches } = vectorPieces(filterGradientsFirst(optimised));
    const optimiseMs = clock();
    const model = lowerGraph(graph, { block, portable: device !== 'cpu' });
    const lowerMs = clock();
    const bytes = encodeModel(model);
    const encodeMs = clock();
    const session = await this.engine.createSession(bytes);
    const ms = { trace: traceMs, optimise: optimiseMs, lower: lowerMs, encode: encodeMs, session: clock() };
    this.engine.observer.compiled?.({ name: this.name, graph, model, bytes, ms });
    const placed = (names: readonly string[]) => new Map(names.map((name) => [name, stretches.get(name)]));
    const written = model.outputs.map(({ name }) => name).filter((name) => name.startsWith(PREFIX.next));
    return {
      session,
      reads: placed(model.inputs.map(({ name }) => name)),
      writes: placed(written),
      next: [...new Set(written.map((name) => (stretches.get(name)?.name ?? name).slice(PREFIX.next.length)))],
      outputs: specsOf(model, PREFIX.output),
    };
  }
}

/** The arrays that `places` names, or the stretches of them. */
function bind(
  places: ReadonlyMap<string, Stretch | undefined>,
  arrayOf: (name: string) => NdArray,
): Record<string, NdArray> {
  return Object.fromEntries(
    Array.from(places, ([name, stretch]) => [
      name,
      stretch === undefined ? arrayOf(name) : partOf(arrayOf(stretch.name), stretch),
    ]),
  );
}

const partOf = ({ dtype, data }: NdArray, { offset, length }: Stretch): NdArray => ({
  dtype,
  shape: [length],
  data: data.subarray(offset, offset + length),
});

/** The outputs of a model whose names begin with `prefix`, by what follows it. */
function specsOf({ outputs }: OnnxModel, prefix: string): ArraySpecs {
  return Object.fromEntries(
    outputs
      .filter(({ name }) => name.startsWith(prefix))
      .map(({ name, type, dims }) => [
        name.slice(prefix.length),
        { dtype: type as ArraySpec['dtype'], shape: dims as readonly number[] },
      ]),
  );
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

const copyOf = (array: NdArray): NdArray => ({ ...array, data: array.data.slice() });

/** A copy of `array`, in the memory of `old` where that is alike. */
function copyInto(old: NdArray | undefined, array: NdArray): NdArray {
  if (old === undefined || old.dtype !== array.dtype || !sameShape(old.shape, array.shape)) return copyOf(array);
  old.data.set(array.data);
  return old;
}

const describe = ({ dtype, shape }: ArraySpec): string => `${dtype} [${shape.join(', ')}]`;

function checkArray(what: string, array: NdArray): void {
  const Type = arrayTypes[array.dtype];
  if (Type === undefined)
    throw new TypeError(`${what}: dtype must be float32, int32 or bool, not ${array.dtype as string}`);
  if (!(array.data instanceof Type)) throw new TypeError(`${what}: ${array.dtype} data must be a ${Type.name}`);
  if (array.data.length !== sizeOf(array.shape)) {
    throw new RangeError(`${what}: ${array.data.length} elements do not fill the shape [${array.shape.join(', ')}]`);
  }
}
