/**
 * ONNX Runtime over its C API. Tensors are the engine's own arrays: the runtime reads inputs and writes outputs where
 * they lie. (onnxruntime-node's binding copies every output of a call into an array that it allocates for it.)
 */
import type { Arrays, NdArray } from '@dm/ops';
import { EngineError } from '../../errors.js';
import { isTelemetryWanted } from '../telemetry.js';
import {
  type BoundCall,
  DISABLED_OPTIMIZERS,
  type Runtime,
  type RuntimeSession,
  type RuntimeSessionOptions,
  SPIN_DURATION_US,
} from '../runtime.js';
import { type Library, openLibrary } from './library.js';
import { constants } from './table.js';

interface Api {
  readonly library: Library;
  readonly env: bigint;
  /** Says of memory that it is the processor's. */
  readonly memory: bigint;
}

/** The runtime of this process; made once, it lives as long as the process. */
let opened: Promise<Api> | undefined;

/** Rejects where the library cannot be loaded. Computes on `cpu` alone. */
export async function openCApiRuntime(): Promise<Runtime> {
  opened ??= open();
  const api = await opened;
  return {
    name: `ONNX Runtime ${api.library.version}, C API`,
    sharedArrays: true,
    createSession: (model, settings) => createSession(api, model, settings),
  };
}

async function open(): Promise<Api> {
  const library = await openLibrary();
  // What fails comes back as a status. The library would print it as well, in color and past the program's own output.
  const env = library.make('CreateEnv', constants.loggingLevelFatal, '@dm/jit');
  // On Windows nothing else switches the events off: its library reads no variable.
  if (!isTelemetryWanted()) library.call('DisableTelemetryEvents', env);
  const memory = library.make('CreateCpuMemoryInfo', constants.deviceAllocator, constants.memTypeDefault);
  return { library, env, memory };
}

async function createSession(api: Api, model: Uint8Array, settings: RuntimeSessionOptions): Promise<RuntimeSession> {
  const { library } = api;
  if (settings.device !== 'cpu')
    throw new EngineError('DEVICE_UNUSABLE', `the C API computes on cpu here, not on ${settings.device}`);
  const options = sessionOptions(library, settings);
  const out = offHeap(BigUint64Array, 1);
  try {
    await library.callAsync('CreateSessionFromArray', api.env, model, model.byteLength, options, out);
  } finally {
    library.call('ReleaseSessionOptions', options);
  }
  const session = out[0]!;
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

function sessionOptions(library: Library, { threads, profilePrefix }: RuntimeSessionOptions): bigint {
  const options = library.make('CreateSessionOptions');
  const set = (name: Parameters<Library['call']>[0], ...args: (number | string)[]) =>
    library.call(name, options, ...args);
  set('SetSessionGraphOptimizationLevel', constants.enableAllOptimizations);
  set('SetInterOpNumThreads', 1);
  // Patterns keep one block for all values of a run, twice the memory that this graph's values need at once.
  set('DisableMemPattern');
  // Threads that wait for work spin for a moment before they sleep: from one operator to the next is shorter than waking
  // up. Spinning without end, the runtime's default, takes the processor from everything else.
  set('AddSessionConfigEntry', 'session.intra_op.allow_spinning', '1');
  set('AddSessionConfigEntry', 'session.intra_op.spin_duration_us', String(SPIN_DURATION_US));
  set('AddSessionConfigEntry', 'optimization.disable_specified_optimizers', DISABLED_OPTIMIZERS);
  if (threads !== undefined) set('SetIntraOpNumThreads', threads);
  if (profilePrefix !== undefined) set('EnableProfiling', profilePrefix);
  return options;
}

/**
 * Names, tensors and their addresses are made once, for all calls. The tensors are freed some time after the call that
 * they were made for can no longer be made.
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
  // All that the runtime is told the addresses of.
  const kept = [inputNames.text, outputNames.text, inputs, outputs];
  const call: BoundCall = async () => {
    await library.callAsync('Run', session, null, ...args);
    void kept;
  };
  unreachable.register(call, { library, made });
  return call;
}

/** Frees the tensors of a call that the garbage collector has found to be of no more use. */
const unreachable = new FinalizationRegistry<{ library: Library; made: readonly bigint[] }>(({ library, made }) => {
  for (const value of made) library.call('ReleaseValue', value);
});

/** A tensor of the runtime over the memory of `array`, which must outlive it. */
function tensorOver(library: Library, memory: bigint, { dtype, shape, data }: NdArray): bigint {
  return library.make(
    'CreateTensorWithDataAsOrtValue',
    memory,
    // Asking for its buffer takes a small array's elements out of the heap, where the collector could move them.
    new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    data.byteLength,
    BigInt64Array.from(shape, BigInt),
    shape.length,
    constants.elementType[dtype],
  );
}

/** Texts that end in a zero, one after the other, and the address of each. */
function cStrings(
  library: Library,
  strings: readonly string[],
): { readonly pointers: BigUint64Array; readonly text: Uint8Array } {
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

/** An array whose elements stay where they are. At least one element, so that it has an address. */
function offHeap<T>(Type: new (buffer: ArrayBuffer, offset: number, length: number) => T, length: number): T {
  return new Type(new ArrayBuffer(8 * Math.max(1, length)), 0, length);
}

function endProfiling(library: Library, session: bigint): void {
  const allocator = library.make('GetAllocatorWithDefaultOptions');
  library.call('AllocatorFree', allocator, library.make('SessionEndProfiling', session, allocator));
}
