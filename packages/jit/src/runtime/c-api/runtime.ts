/**
 * ONNX Runtime over its C API. Tensors use the engine's own arrays: the runtime reads inputs and writes outputs in
 * place. (onnxruntime-node's binding copies every output of a call into an array that it allocates for it.)
 */
import type { Arrays, NdArray } from '@dm/ops';
import { EngineError } from '../../errors.js';
import { isTelemetryWanted } from '../telemetry.js';
import {
  type BoundCall,
  DISABLED_DEVICE_OPTIMIZERS,
  DISABLED_OPTIMIZERS,
  type Runtime,
  type RuntimeSession,
  type RuntimeSessionOptions,
  SPIN_DURATION_US,
} from '../runtime.js';
import { findBindingLibrary, findRuntimeLibrary } from './find-library.js';
import { type Library, openLibrary } from './library.js';
import { constants } from './table.js';

export interface Api {
  readonly library: Library;
  readonly env: bigint;
  /** Describes CPU memory to the runtime. */
  readonly memory: bigint;
}

/** The runtimes of this process by library file; each is created once and never released. */
const opened = new Map<string, Promise<Api>>();

/**
 * Opens the runtime, which computes on `cpu` only.
 * @throws {EngineError} if the library does not exist for this platform, is not installed, or cannot be loaded
 */
export async function openCApiRuntime(): Promise<Runtime> {
  const { path } = await findRuntimeLibrary();
  const api = await apiOf(path);
  return {
    name: `ONNX Runtime ${api.library.version}, C API`,
    sharedArrays: true,
    createSession: (model, settings) => createSession(api, model, settings),
  };
}

/**
 * Turns the events of onnxruntime-node's library off. Does nothing if that package is not installed.
 * @throws {EngineError} if its library cannot be loaded
 */
export async function disableBindingEvents(): Promise<void> {
  const library = await findBindingLibrary();
  if (library !== undefined) await apiOf(library.path);
}

export function apiOf(path: string): Promise<Api> {
  const known = opened.get(path);
  if (known !== undefined) return known;
  const made = open(path);
  opened.set(path, made);
  return made;
}

async function open(path: string): Promise<Api> {
  const library = await openLibrary(path);
  // Errors are returned as a status. The library would also print them, in color and bypassing the program's output.
  const env = library.make('CreateEnv', constants.loggingLevelFatal, '@dm/jit');
  // On Windows this is the only way to turn events off: the library reads no environment variable there.
  if (!isTelemetryWanted()) library.call('DisableTelemetryEvents', env);
  const memory = library.make('CreateCpuMemoryInfo', constants.deviceAllocator, constants.memTypeDefault);
  return { library, env, memory };
}

async function createSession(api: Api, model: Uint8Array, settings: RuntimeSessionOptions): Promise<RuntimeSession> {
  const { library } = api;
  if (settings.device !== 'cpu')
    throw new EngineError('DEVICE_UNUSABLE', `the C API runs on cpu only, not on ${settings.device}`);
  const session = await openSession(api, model, settings);
  const running = new Set<Promise<void>>();
  return {
    bind(inputs, outputs) {
      const call = bind(api, session, inputs, outputs);
      return async () => {
        const done = call();
        running.add(done);
        try {
          await done;
        } finally {
          running.delete(done);
        }
      };
    },
    async release() {
      await Promise.allSettled(running);
      if (settings.profilePrefix !== undefined) endProfiling(library, session);
      library.call('ReleaseSession', session);
    },
  };
}

/** Creates a session; the caller releases it. */
export async function openSession(
  { library, env }: Api,
  model: Uint8Array,
  settings: RuntimeSessionOptions,
): Promise<bigint> {
  const options = sessionOptions(library, settings);
  const out = offHeap(BigUint64Array, 1);
  try {
    await library.callAsync('CreateSessionFromArray', env, model, model.byteLength, options, out);
  } finally {
    library.call('ReleaseSessionOptions', options);
  }
  return out[0]!;
}

/** The options of a session; the caller releases them. */
export function sessionOptions(library: Library, settings: RuntimeSessionOptions): bigint {
  const { device, threads, deviceOnly, convolutionLayout, profilePrefix } = settings;
  const options = library.make('CreateSessionOptions');
  const set = (name: Parameters<Library['call']>[0], ...args: (number | string)[]) =>
    library.call(name, options, ...args);
  set('SetSessionGraphOptimizationLevel', constants.enableAllOptimizations);
  set('SetInterOpNumThreads', 1);
  // With memory patterns, one block holds all values of a run: twice the memory that this graph needs at once.
  set('DisableMemPattern');
  // A thread that waits for work spins briefly before it sleeps, since the time from one operator to the next is
  // shorter than waking up. Endless spinning, the runtime's default, takes the processor from everything else.
  set('AddSessionConfigEntry', 'session.intra_op.allow_spinning', '1');
  set('AddSessionConfigEntry', 'session.intra_op.spin_duration_us', String(SPIN_DURATION_US));
  const disabled = device === 'cpu' ? DISABLED_OPTIMIZERS : DISABLED_DEVICE_OPTIMIZERS;
  set('AddSessionConfigEntry', 'optimization.disable_specified_optimizers', disabled);
  // Read when the provider is added.
  if (convolutionLayout !== undefined) {
    set('AddSessionConfigEntry', 'ep.webgpuexecutionprovider.preferredLayout', convolutionLayout);
  }
  if (device === 'webgpu' && settings.graphCapture === true) {
    set('AddSessionConfigEntry', 'ep.webgpuexecutionprovider.enableGraphCapture', '1');
  }
  if (device !== 'cpu') appendProvider(library, options, device, settings);
  if (deviceOnly === true) set('AddSessionConfigEntry', 'session.disable_cpu_ep_fallback', '1');
  if (threads !== undefined) set('SetIntraOpNumThreads', threads);
  if (profilePrefix !== undefined) set('EnableProfiling', profilePrefix);
  return options;
}

/** Makes a session run on a device. */
function appendProvider(
  library: Library,
  options: bigint,
  device: 'webgpu' | 'cuda',
  settings: RuntimeSessionOptions,
): void {
  if (device === 'webgpu') {
    library.call('SessionOptionsAppendExecutionProvider', options, 'WebGPU', null, null, 0);
    return;
  }
  const cuda = library.make('CreateCUDAProviderOptions');
  try {
    const entries = Object.entries(cudaProviderOptions(settings));
    const [keys, values] = [0, 1].map((i) =>
      cStrings(
        library,
        entries.map((entry) => entry[i]!),
      ),
    ) as [CStrings, CStrings];
    library.call('UpdateCUDAProviderOptions', cuda, keys.pointers, values.pointers, entries.length);
    library.call('SessionOptionsAppendExecutionProvider_CUDA_V2', options, cuda);
  } finally {
    library.call('ReleaseCUDAProviderOptions', cuda);
  }
}

/**
 * Options of the CUDA provider, see https://onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html. TF32 is
 * the provider's default, so it is always set.
 */
const cudaProviderOptions = ({
  deviceIndex = 0,
  tf32 = false,
  graphCapture = false,
}: Pick<RuntimeSessionOptions, 'deviceIndex' | 'tf32' | 'graphCapture'>): Readonly<Record<string, string>> => ({
  device_id: String(deviceIndex),
  use_tf32: tf32 ? '1' : '0',
  enable_cuda_graph: graphCapture ? '1' : '0',
});

/**
 * Creates names, tensors, and their addresses once for all calls. The tensors are released after the bound call has
 * been garbage-collected.
 */
function bind({ library, memory }: Api, session: bigint, inputs: Arrays, outputs: Arrays): BoundCall {
  const made: bigint[] = [];
  const values = (arrays: readonly NdArray[]) => {
    const pointers = offHeap(BigUint64Array, arrays.length);
    arrays.forEach((array, i) => {
      const value = tensorOver(library, memory, array);
      made.push(value);
      pointers[i] = value;
    });
    return pointers;
  };
  const [inputNames, outputNames] = [cStrings(library, Object.keys(inputs)), cStrings(library, Object.keys(outputs))];
  const [reads, writes] = [values(Object.values(inputs)), values(Object.values(outputs))];
  const args = [inputNames.pointers, reads, reads.length, outputNames.pointers, writes.length, writes] as const;
  // Keeps everything alive whose address the runtime has.
  const kept = [inputNames.text, outputNames.text, inputs, outputs];
  const call: BoundCall = async () => {
    await library.callAsync('Run', session, null, ...args);
    void kept;
  };
  unreachable.register(call, { library, made });
  return call;
}

/** Releases the tensors of a bound call after it has been garbage-collected. */
const unreachable = new FinalizationRegistry<{ library: Library; made: readonly bigint[] }>(({ library, made }) => {
  for (const value of made) library.call('ReleaseValue', value);
});

/** A runtime tensor that uses the memory of `array`, which must outlive it. */
export function tensorOver(library: Library, memory: bigint, { dtype, shape, data }: NdArray): bigint {
  return library.make(
    'CreateTensorWithDataAsOrtValue',
    memory,
    // Accessing its buffer moves a small array's elements off the heap, on which the garbage collector could move
    // them.
    new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    data.byteLength,
    BigInt64Array.from(shape, BigInt),
    shape.length,
    constants.elementType[dtype],
  );
}

interface CStrings {
  readonly pointers: BigUint64Array;
  readonly text: Uint8Array;
}

/** Null-terminated strings in one buffer, and the address of each. */
export function cStrings(library: Library, strings: readonly string[]): CStrings {
  const encoded = strings.map((string) => new TextEncoder().encode(`${string}\0`));
  const text = offHeap(
    Uint8Array,
    encoded.reduce((bytes, { length }) => bytes + length, 0),
  );
  const pointers = offHeap(BigUint64Array, strings.length);
  const start = library.address(text);
  let offset = 0;
  encoded.forEach((bytes, i) => {
    pointers[i] = start + BigInt(offset);
    text.set(bytes, offset);
    offset += bytes.length;
  });
  return { pointers, text };
}

/** An array whose elements do not move. It has at least one element, so that it has an address. */
export function offHeap<T>(Type: new (buffer: ArrayBuffer, offset: number, length: number) => T, length: number): T {
  return new Type(new ArrayBuffer(8 * Math.max(1, length)), 0, length);
}

export function endProfiling(library: Library, session: bigint): void {
  const allocator = library.make('GetAllocatorWithDefaultOptions');
  library.call('AllocatorFree', allocator, library.make('SessionEndProfiling', session, allocator));
}
