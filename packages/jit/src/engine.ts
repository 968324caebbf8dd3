import type { Arrays, CompiledProgram, CompileOptions, Engine, NdArray, Program, StateHandle } from '@dm/ops';
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-common';
import { lowerGraph } from './compile.js';
import { sameShape, sizeOf } from './graph.js';
import type { EngineObserver } from './observer.js';
import { encodeModel } from './onnx/proto.js';
import { filterGradientsFirst } from './passes/filter-gradients-first.js';
import { optimise } from './passes/index.js';
import {
  dataOf,
  type Device,
  devices,
  findBlock,
  loadRuntime,
  type OnnxRuntime,
  processors,
  tryDevice,
} from './runtime.js';
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
  /** The runtime to use. Default: `onnxruntime-node` under Node, `onnxruntime-web` elsewhere. */
  readonly runtime?: OnnxRuntime;
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
  const { runtime, version } = options.runtime ? { runtime: options.runtime, version: 'given' } : await loadRuntime();
  if (device !== 'cpu') await tryDevice(runtime, device);
  const block = options.convolutions === 'plain' || device !== 'cpu' ? 0 : await findBlock(runtime);
  const info = {
    runtime: version,
    device,
    threads: threads ?? `chosen by the runtime, ${await processors()} processors`,
    block,
  };
  return new OnnxEngine(runtime, info, options);
}

type Buffers = { current: OrtTensor; next: OrtTensor | undefined };

class OnnxEngine implements Engine {
  readonly name = 'onnx';
  private readonly programs = new Set<OnnxProgram>();
  private disposed = false;

  constructor(
    readonly runtime: OnnxRuntime,
    readonly info: Readonly<Record<string, string | number | boolean>>,
    private readonly options: Pick<OnnxEngineOptions, 'threads' | 'device' | 'observer' | 'profilePrefix'>,
  ) {}

  get observer(): EngineObserver {
    return this.options.observer ?? {};
  }

  compile(program: Program, options: CompileOptions = {}): CompiledProgram {
    if (this.disposed) throw new Error('the engine "onnx" has been disposed of');
    const compiled = new OnnxProgram(this, program, options.name ?? (program.name || 'program'));
    this.programs.add(compiled);
    return compiled;
  }

  sessionOptions(): InferenceSession.SessionOptions {
    const { threads, device = 'cpu', profilePrefix } = this.options;
    return {
      executionProviders: [device],
      executionMode: 'sequential',
      interOpNumThreads: 1,
      graphOptimizationLevel: 'all',
      // Patterns keep one block for all values of a run, twice the memory that this graph's values need at once.
      enableMemPattern: false,
      // Threads that wait for work by spinning gain nothing here and take the processor from everything else.
      extra: { session: { intra_op: { allow_spinning: '0' } } },
      ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
      ...(profilePrefix === undefined ? {} : { enableProfiling: true, profileFilePrefix: profilePrefix }),
    };
  }

  tensor(array: NdArray): OrtTensor {
    return new this.runtime.Tensor(array.dtype, array.data, array.shape);
  }

  /** Frees the sessions of programs that their makers have not disposed of. */
  async dispose(): Promise<void> {
    this.disposed = true;
    await Promise.all([...this.programs].map((program) => program.dispose()));
  }

  /** Frees a session; its profile, if there is one, is written first. */
  async release(session: InferenceSession): Promise<void> {
    if (this.options.profilePrefix !== undefined) session.endProfiling();
    await session.release();
  }

  forget(program: OnnxProgram): void {
    this.programs.delete(program);
  }
}

/**
 * State as pairs of tensors over typed arrays: a run reads the current ones and writes the next ones in place, then
 * they change roles. Nothing is allocated or copied from step to step.
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
      this.buffers.set(name, { current: engine.tensor(copyOf(array)), next: undefined });
    }
  }

  get specs(): ArraySpecs {
    this.check();
    return Object.fromEntries([...this.buffers].map(([name, { current }]) => [name, specOf(current)]));
  }

  /** The tensor that a run writes the entry's new value to. */
  target(name: string): OrtTensor {
    const buffers = this.entry(name);
    buffers.next ??= this.engine.tensor({ ...specOf(buffers.current), data: emptyLike(dataOf(buffers.current)) });
    return buffers.next;
  }

  swap(name: string): void {
    const buffers = this.entry(name);
    [buffers.current, buffers.next] = [buffers.next!, buffers.current];
  }

  async read(names: readonly string[] = [...this.buffers.keys()]): Promise<Arrays> {
    this.check();
    return Object.fromEntries(
      names.map((name) => {
        const { current } = this.entry(name);
        return [name, copyOf({ ...specOf(current), data: dataOf(current) })];
      }),
    );
  }

  async write(arrays: Arrays): Promise<void> {
    this.check();
    for (const [name, array] of Object.entries(arrays)) {
      const { current } = this.entry(name);
      const spec = specOf(current);
      if (!sameShape(spec.shape, array.shape) || spec.dtype !== array.dtype) {
        throw new Error(`state "${name}" is ${describe(spec)}; ${describe(array)} cannot be written to it`);
      }
      dataOf(current).set(array.data);
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
  readonly session: InferenceSession;
  readonly inputs: ReadonlySet<string>;
  readonly stateOutputs: readonly string[];
  readonly outputs: readonly string[];
}

class OnnxProgram implements CompiledProgram {
  private readonly variants = new Map<string, Promise<Variant>>();
  private disposed = false;

  constructor(
    private readonly engine: OnnxEngine,
    private readonly program: Program,
    private readonly name: string,
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
      const feeds: Record<string, OrtTensor> = {};
      for (const [name, { current }] of handle.buffers) {
        if (variant.inputs.has(PREFIX.state + name)) feeds[PREFIX.state + name] = current;
      }
      for (const [name, array] of Object.entries(inputs)) {
        if (variant.inputs.has(PREFIX.input + name)) feeds[PREFIX.input + name] = this.engine.tensor(array);
      }
      const fetches: Record<string, OrtTensor | null> = {};
      for (const name of variant.stateOutputs) fetches[PREFIX.next + name] = handle.target(name);
      for (const name of variant.outputs) fetches[PREFIX.output + name] = null;
      const sessionBegan = performance.now();
      const results = await variant.session.run(feeds, fetches);
      const sessionMs = performance.now() - sessionBegan;
      for (const name of variant.stateOutputs) handle.swap(name);
      const outputs = Object.fromEntries(
        variant.outputs.map((name) => {
          const tensor = results[PREFIX.output + name]!;
          return [name, { ...specOf(tensor), data: dataOf(tensor) }];
        }),
      );
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
    for (const variant of variants)
      if (variant.status === 'fulfilled') await this.engine.release(variant.value.session);
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
    const graph = filterGradientsFirst(optimise(traced));
    const optimiseMs = clock();
    const { block, device } = this.engine.info;
    const model = lowerGraph(graph, { block: block as number, portable: device !== 'cpu' });
    const lowerMs = clock();
    const bytes = encodeModel(model);
    const encodeMs = clock();
    const session = await this.engine.runtime.InferenceSession.create(bytes, this.engine.sessionOptions());
    const ms = { trace: traceMs, optimise: optimiseMs, lower: lowerMs, encode: encodeMs, session: clock() };
    this.engine.observer.compiled?.({ name: this.name, graph, model, bytes, ms });
    const after = (prefix: string) =>
      model.outputs.filter(({ name }) => name.startsWith(prefix)).map(({ name }) => name.slice(prefix.length));
    return {
      session,
      inputs: new Set(model.inputs.map(({ name }) => name)),
      stateOutputs: after(PREFIX.next),
      outputs: after(PREFIX.output),
    };
  }
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

const specOf = (tensor: OrtTensor): ArraySpec => ({ dtype: tensor.type as ArraySpec['dtype'], shape: tensor.dims });

const copyOf = (array: NdArray): NdArray => ({ ...array, data: array.data.slice() });

const emptyLike = (data: NdArray['data']): NdArray['data'] =>
  new (data.constructor as new (length: number) => NdArray['data'])(data.length);

const describe = ({ dtype, shape }: ArraySpec): string => `${dtype} [${shape.join(', ')}]`;

const arrayTypes = { float32: Float32Array, int32: Int32Array, bool: Uint8Array };

function checkArray(what: string, array: NdArray): void {
  const Type = arrayTypes[array.dtype];
  if (Type === undefined)
    throw new TypeError(`${what}: dtype must be float32, int32 or bool, not ${array.dtype as string}`);
  if (!(array.data instanceof Type)) throw new TypeError(`${what}: ${array.dtype} data must be a ${Type.name}`);
  if (array.data.length !== sizeOf(array.shape)) {
    throw new RangeError(`${what}: ${array.data.length} elements do not fill the shape [${array.shape.join(', ')}]`);
  }
}
