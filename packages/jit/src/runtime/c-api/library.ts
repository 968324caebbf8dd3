/** ONNX Runtime's shared library, called through koffi. */
import type Koffi from 'koffi';
import { EngineError } from '../../errors.js';
import { disableTelemetry } from '../telemetry.js';
import { loadKoffi } from './koffi.js';
import { apiVersion, functions, type FunctionName } from './table.js';

/** An address in memory, or null. */
export type Pointer = bigint | null;

/** An argument of a C function: a pointer, an array (passed as its address), a number, or a string. */
export type Argument = Pointer | ArrayBufferView | number | string;

export interface Library {
  /** Version of the runtime, such as 1.30.0. */
  readonly version: string;
  /**
   * Calls a function.
   * @throws {EngineError} with the runtime's message, if the function returns an error status
   */
  call(name: FunctionName, ...args: Argument[]): void;
  /** Like `call`, on another thread; arrays must not be read or changed until the promise settles. */
  callAsync(name: FunctionName, ...args: Argument[]): Promise<void>;
  /** Calls a function that creates an object and stores its pointer in its last argument; returns that pointer. */
  make(name: FunctionName, ...args: Argument[]): bigint;
  /** The memory at an address; it must not be used after it has been freed. */
  view(address: bigint, byteLength: number): Uint8Array;
  /** Address of the elements of an array. */
  address(array: ArrayBufferView): bigint;
}

/**
 * Loads the library file at `path`.
 * @throws {EngineError} if koffi is not installed or does not support this platform, or if the file cannot be loaded
 */
export async function openLibrary(path: string): Promise<Library> {
  const koffi = await loadKoffi();
  // The runtime's matrix products need more stack than koffi's default for asynchronous calls.
  if (Number(koffi.config()['async_stack_size']) < stackBytes) koffi.config({ async_stack_size: stackBytes });
  await disableTelemetry();
  const library = load(koffi, path);
  loaded.add(library);
  const base = library.func('void *OrtGetApiBase()')() as bigint;
  const pointerBytes = koffi.sizeof('void *');
  /** The function whose pointer is at `index` of the struct of pointers at `table`. */
  const functionAt = (table: bigint, index: number, result: string, args: readonly string[]) =>
    koffi.decode(koffi.decode(table, index * pointerBytes, 'void *'), koffi.proto(result, [...args])) as NativeFunction;
  const getApi = functionAt(base, 0, 'void *', ['uint32_t']);
  const getVersion = functionAt(base, 1, 'const char *', []);
  const version = getVersion() as string;
  const table = getApi(apiVersion) as Pointer;
  if (table === null)
    throw new EngineError(
      'RUNTIME_MISSING',
      `ONNX Runtime ${version} does not support version ${apiVersion} of its C API`,
    );

  const types = { path: process.platform === 'win32' ? 'const char16_t *' : 'const char *', status: 'void *' };
  const typeOf = (type: string) => types[type as keyof typeof types] ?? type;
  const native = Object.fromEntries(
    Object.entries(functions).map(([name, { index, result, args }]) => [
      name,
      functionAt(table, index, typeOf(result), args.map(typeOf)),
    ]),
  ) as Record<FunctionName, NativeFunction>;

  const check = (status: Pointer): void => {
    if (status === null) return;
    const message = native.GetErrorMessage(status) as string;
    native.ReleaseStatus(status);
    throw new EngineError('RUNTIME_FAILED', message);
  };
  const call: Library['call'] = (name, ...args) => {
    const result = native[name](...args) as Pointer;
    if (functions[name].result === 'status') check(result);
  };
  return {
    version,
    call,
    callAsync: (name, ...args) =>
      new Promise((resolve, reject) => {
        inUse.add(args);
        native[name].async(...args, (error: Error | null, result: Pointer) => {
          inUse.delete(args);
          if (error !== null) return reject(error);
          try {
            check(result);
          } catch (failure) {
            return reject(failure);
          }
          resolve();
        });
      }),
    make: (name, ...args) => {
      const out = new BigUint64Array(1);
      call(name, ...args, out);
      return out[0]!;
    },
    view: (address, byteLength) => new Uint8Array(koffi.view(address, byteLength)),
    address: (array) => koffi.address(array),
  };
}

function load(koffi: typeof Koffi, path: string): ReturnType<typeof Koffi.load> {
  try {
    return koffi.load(path);
  } catch (cause) {
    const hint = process.platform === 'win32' ? '. It needs the Microsoft Visual C++ Redistributable 2015-2022' : '';
    throw new EngineError(
      'RUNTIME_MISSING',
      `ONNX Runtime could not be loaded: ${cause instanceof Error ? cause.message : String(cause)} (${path})${hint}`,
      { cause },
    );
  }
}

/**
 * Keeps libraries referenced forever. koffi unloads a library that has no references, and a function decoded from a
 * pointer, as all of the table are, is not a reference to its library.
 */
const loaded = new Set<object>();

/** Arguments of pending asynchronous calls: the memory that they point to must outlive the call. */
const inUse = new Set<readonly Argument[]>();

const stackBytes = 4 * 2 ** 20;

interface NativeFunction {
  (...args: Argument[]): unknown;
  async(...args: unknown[]): void;
}
