/**
 * Tensors and sessions on a device, over ONNX Runtime's C API. Rules, each learned from a crash of the runtime:
 *
 * - Calls that touch a device take turns (device-queue.ts).
 * - Tensors come from the allocator of a session that lives as long as the device's memory.
 * - Bindings are released before tensors, tensors before the allocator, the allocator before its session. Nothing is
 *   left to the garbage collector, which has no order.
 * - A failed allocation is only logged, and returns a tensor without memory. So each new tensor is tested.
 */
import type { NdArray } from '@dm/ops';
import { EngineError } from '../../errors.js';
import { sizeOf, type TensorSpec } from '../../graph/graph.js';
import { encodeModel, type OnnxModel, type OnnxNode } from '../../onnx/proto.js';
import { emptyArray } from '../arrays.js';
import {
  type Device,
  type DeviceBinding,
  deviceLabel,
  type DeviceMemory,
  type DeviceRuntime,
  type DeviceSession,
  type DeviceTensor,
  type DeviceTensors,
  type RuntimeSessionOptions,
} from '../runtime.js';
import { onDevice } from '../device-queue.js';
import { findCudaLibrary } from './find-cuda.js';
import { findBindingLibrary, findRuntimeLibrary } from './find-library.js';
import type { Library } from './library.js';
import { withoutNativeNoise } from './native-output.js';
import { type Api, apiOf, endProfiling, offHeap, openSession, tensorOver } from './runtime.js';
import { constants } from './table.js';

/** The runtime's names of each device's memory. */
const memoryNames: Readonly<Record<Device, string>> = { cpu: 'Cpu', webgpu: 'WebGPU_Buf', cuda: 'Cuda' };

/**
 * Opens the runtime for a device. `cpu` treats the computer's own memory as a device's, for tests. Errors name
 * the device with the index `card`.
 * @throws {EngineError} if the library or koffi is missing or cannot be loaded
 */
export async function openDeviceRuntime(device: Device, card?: number): Promise<DeviceRuntime> {
  const path = await libraryFor(device);
  const { isMainThread } = await import('node:worker_threads');
  // Each thread has its own queue, and calls of two threads to a device would crash the process.
  if (!isMainThread) {
    throw new EngineError(
      'DEVICE_UNUSABLE',
      `a worker thread cannot use the device "${deviceLabel(device, card)}"; use the main thread`,
    );
  }
  const api = await apiOf(path);
  return {
    name: `ONNX Runtime ${api.library.version}, C API`,
    openDevice: (name, index) =>
      onDevice(() =>
        name === 'cpu'
          ? CApiDeviceMemory.open(api, name, index)
          : withoutNativeNoise(() => CApiDeviceMemory.open(api, name, index)),
      ),
  };
}

/** The CUDA provider is a separate library, which has to be next to the core library. */
async function libraryFor(device: Device): Promise<string> {
  if (device === 'cuda' && process.platform === 'linux' && process.arch === 'x64') return findCudaLibrary();
  const library = (device === 'cuda' ? await findBindingLibrary() : undefined) ?? (await findRuntimeLibrary());
  return library.path;
}

/** A tensor that the runtime has allocated. */
interface Allocated extends DeviceTensor {
  readonly value: bigint;
}

class CApiDeviceMemory implements DeviceMemory {
  copiedBytes = 0;
  private readonly tensors = new Set<Allocated>();
  /** Sessions that test an allocation, by its rank. Tensors are allocated by the first one's allocator. */
  private readonly trials = new Map<number, bigint>();

  private constructor(
    private readonly api: Api,
    private readonly device: Device,
    private readonly index: number | undefined,
    private readonly keeper: bigint,
    private readonly info: bigint,
    private readonly allocator: bigint,
  ) {
    this.trials.set(1, keeper);
  }

  private get label(): string {
    return deviceLabel(this.device, this.index);
  }

  static async open(api: Api, device: Device, index?: number): Promise<CApiDeviceMemory> {
    const { library } = api;
    const keeper = await openSession(api, encodeModel(allocationTrial(1)), settingsFor(device, index));
    const info = library.make(
      'CreateMemoryInfo',
      memoryNames[device],
      constants.deviceAllocator,
      index ?? 0,
      constants.memTypeDefault,
    );
    return new CApiDeviceMemory(api, device, index, keeper, info, library.make('CreateAllocator', keeper, info));
  }

  async createSession(model: Uint8Array, settings: RuntimeSessionOptions): Promise<DeviceSession> {
    const { api } = this;
    const { library } = api;
    if (settings.graphCapture === true) {
      const open = () => this.openCapturing(model, settings);
      return new CapturingSession(library, await onDevice(open), open, (handle, inputs, outputs, id) =>
        this.bind(handle, inputs, outputs, id),
      );
    }
    const session = await onDevice(() => openSession(api, model, settings));
    return {
      bind: (inputs, outputs) => onDevice(() => this.bind(session, inputs, outputs)),
      release: () =>
        onDevice(() => {
          if (settings.profilePrefix !== undefined) endProfiling(library, session);
          library.call('ReleaseSession', session);
        }),
    };
  }

  allocate(spec: TensorSpec): Promise<DeviceTensor> {
    return onDevice(async () => {
      const tensor = this.unchecked(spec);
      if (await this.hasMemory(tensor)) return tensor;
      this.release1(tensor);
      throw await this.tooLarge(spec);
    });
  }

  free(tensors: readonly DeviceTensor[]): Promise<void> {
    return onDevice(() => tensors.forEach((tensor) => this.release1(tensor as Allocated)));
  }

  upload(arrays: readonly NdArray[], tensors: readonly DeviceTensor[]): Promise<void> {
    return onDevice(() => this.copy('in', arrays, tensors as readonly Allocated[]));
  }

  download(tensors: readonly DeviceTensor[], arrays: readonly NdArray[]): Promise<void> {
    return onDevice(() => this.copy('out', arrays, tensors as readonly Allocated[]));
  }

  release(): Promise<void> {
    const { library } = this.api;
    return onDevice(() => {
      for (const tensor of this.tensors) this.release1(tensor);
      library.call('ReleaseAllocator', this.allocator);
      library.call('ReleaseMemoryInfo', this.info);
      for (const session of this.trials.values()) library.call('ReleaseSession', session);
    });
  }

  private async copy(
    direction: 'in' | 'out',
    arrays: readonly NdArray[],
    tensors: readonly Allocated[],
  ): Promise<void> {
    const { library, env, memory } = this.api;
    if (arrays.length === 0) return;
    this.checkAllocated(tensors);
    this.copiedBytes += arrays.reduce((bytes, { data }) => bytes + data.byteLength, 0);
    if (this.device === 'cpu') {
      arrays.forEach((array, i) => copyHere(library, direction, array, tensors[i]!));
      return;
    }
    const values = arrays.map((array) => tensorOver(library, memory, array));
    const [inside, outside] = [pointers(tensors.map(({ value }) => value)), pointers(values)];
    const [from, to] = direction === 'in' ? [outside, inside] : [inside, outside];
    try {
      await this.attempt('a copy', library.callAsync('CopyTensors', env, from, to, null, values.length));
    } finally {
      for (const value of values) library.call('ReleaseValue', value);
    }
  }

  /** @throws {EngineError} `DEVICE_UNUSABLE` with the runtime's reason if it cannot capture the graph */
  private async openCapturing(model: Uint8Array, settings: RuntimeSessionOptions): Promise<bigint> {
    try {
      return await openSession(this.api, model, settings);
    } catch (cause) {
      throw new EngineError(
        'DEVICE_UNUSABLE',
        `The runtime refuses a graph for graph capture on "${this.label}": ` +
          `${cause instanceof Error ? cause.message : String(cause)}. Try without graphCapture.`,
        { cause },
      );
    }
  }

  /** `graphId` identifies the captured graph of this binding in its session; undefined captures none. */
  private bind(session: bigint, inputs: DeviceTensors, outputs: DeviceTensors, graphId?: number): DeviceBinding {
    const { library } = this.api;
    this.checkAllocated([...Object.values(inputs), ...Object.values(outputs)]);
    const options = graphId === undefined ? null : library.make('CreateRunOptions');
    if (options !== null) library.call('AddRunConfigEntry', options, 'gpu_graph_id', String(graphId));
    const binding = bound(library, session, inputs, outputs);
    const what = options === null ? 'a computation' : 'a computation with graphCapture (try without it)';
    return {
      run: () => onDevice(() => this.attempt(what, library.callAsync('RunWithBinding', session, options, binding))),
      release: () =>
        onDevice(() => {
          library.call('ReleaseIoBinding', binding);
          if (options !== null) library.call('ReleaseRunOptions', options);
        }),
    };
  }

  /** @throws {EngineError} `DEVICE_FAILED` with the runtime's reason if the call fails */
  private async attempt(what: string, call: Promise<unknown>): Promise<void> {
    try {
      await call;
    } catch (cause) {
      throw new EngineError(
        'DEVICE_FAILED',
        `The device "${this.label}" failed in ${what}: ${cause instanceof Error ? cause.message : String(cause)}. If ` +
          'it was lost (its driver was reset, or its memory is full), restart the program; a training continues from ' +
          'its last checkpoint.',
        { cause },
      );
    }
  }

  /** A tensor whose memory has not been tested. */
  private unchecked({ dtype, shape }: TensorSpec): Allocated {
    const value = this.api.library.make(
      'CreateTensorAsOrtValue',
      this.allocator,
      BigInt64Array.from(shape, BigInt),
      shape.length,
      constants.elementType[dtype],
    );
    const tensor = { dtype, shape, value };
    this.tensors.add(tensor);
    return tensor;
  }

  /** @throws {EngineError} `DISPOSED` if a tensor has been freed: the runtime would crash */
  private checkAllocated(tensors: readonly DeviceTensor[]): void {
    if (tensors.some((tensor) => !this.tensors.has(tensor as Allocated))) {
      throw new EngineError(
        'DISPOSED',
        `the engine that stored this state on the device "${this.label}" was disposed of`,
      );
    }
  }

  private release1(tensor: Allocated): void {
    if (this.tensors.delete(tensor)) this.api.library.call('ReleaseValue', tensor.value);
  }

  /** Whether the last element of a tensor can be written and read. Small tensors are not tested. */
  private async hasMemory(tensor: Allocated): Promise<boolean> {
    const size = sizeOf(tensor.shape);
    if (tensor.dtype !== 'float32' || size < MIN_TRIED) return true;
    const { library } = this.api;
    const session = await this.trialOf(tensor.shape.length);
    const [index, last] = [
      this.unchecked({ dtype: 'int32', shape: [1] }),
      this.unchecked({ dtype: 'float32', shape: [1] }),
    ];
    let binding: bigint | undefined;
    try {
      const result = emptyArray(last);
      await this.copy('in', [{ dtype: 'int32', shape: [1], data: Int32Array.of(size - 1) }], [index]);
      binding = bound(library, session, { x: tensor, index }, { y: tensor, last });
      await library.callAsync('RunWithBinding', session, null, binding);
      await this.copy('out', [result], [last]);
      return result.data[0] === TRIAL_VALUE;
    } catch {
      return false;
    } finally {
      if (binding !== undefined) library.call('ReleaseIoBinding', binding);
      this.release1(index);
      this.release1(last);
    }
  }

  private async trialOf(rank: number): Promise<bigint> {
    const known = this.trials.get(rank);
    if (known !== undefined) return known;
    const session = await openSession(
      this.api,
      encodeModel(allocationTrial(rank)),
      settingsFor(this.device, this.index),
    );
    this.trials.set(rank, session);
    return session;
  }

  /** The error for a tensor that the device cannot hold; finds a size that it can by halving. */
  private async tooLarge({ shape }: TensorSpec): Promise<EngineError> {
    const wanted = sizeOf(shape);
    let size = wanted;
    let works = false;
    while (!works && size >= 2 * MIN_TRIED) {
      size = Math.floor(size / 2);
      const tensor = this.unchecked({ dtype: 'float32', shape: [size] });
      works = await this.hasMemory(tensor);
      this.release1(tensor);
    }
    const mib = (elements: number) => `${((4 * elements) / 2 ** 20).toFixed(1)} MiB`;
    const instead = works ? `one of ${mib(size)} works` : 'smaller ones do not work either';
    return new EngineError(
      'MEMORY_EXHAUSTED',
      `The device "${this.label}" cannot hold a tensor of ${mib(wanted)} ([${shape.join(', ')}]); ${instead}. ` +
        'Its memory is full, or it limits the size of a buffer. Use a smaller model or batch, or another device.',
    );
  }
}

/** Captured graphs per session. A state needs one for each combination of its buffers, usually two. */
const MAX_CAPTURED_GRAPHS = 16;

/** A session, the number of graphs captured in it, and its bindings that have not been released. */
interface CaptureSession {
  readonly handle: bigint;
  captured: number;
  bindings: number;
}

/**
 * A session whose bindings are captured: the runtime records the commands of a binding's first run and replays them
 * later, without looking at the binding again. So each binding has an id that no other one of its session ever has. The
 * runtime frees captured graphs with their session only. After `MAX_CAPTURED_GRAPHS` a new session replaces the old one,
 * which is released with its last binding.
 */
export class CapturingSession implements DeviceSession {
  private current: CaptureSession;

  constructor(
    private readonly library: Library,
    handle: bigint,
    /** Opens another session of the same model; called in the queue. */
    private readonly open: () => Promise<bigint>,
    private readonly bindTo: (
      handle: bigint,
      inputs: DeviceTensors,
      outputs: DeviceTensors,
      graphId: number,
    ) => DeviceBinding,
  ) {
    this.current = { handle, captured: 0, bindings: 0 };
  }

  bind(inputs: DeviceTensors, outputs: DeviceTensors): Promise<DeviceBinding> {
    return onDevice(async () => {
      if (this.current.captured === MAX_CAPTURED_GRAPHS) {
        const full = this.current;
        this.current = { handle: await this.open(), captured: 0, bindings: 0 };
        this.releaseIfUnused(full);
      }
      const session = this.current;
      // Ids begin at 1: without one, the runtime uses 0, and it does not capture -1.
      const binding = this.bindTo(session.handle, inputs, outputs, session.captured + 1);
      session.captured++;
      session.bindings++;
      return {
        run: () => binding.run(),
        release: async () => {
          await binding.release();
          await onDevice(() => {
            session.bindings--;
            this.releaseIfUnused(session);
          });
        },
      };
    });
  }

  release(): Promise<void> {
    return onDevice(() => this.library.call('ReleaseSession', this.current.handle));
  }

  /** Releases a session that has been replaced and has no bindings. */
  private releaseIfUnused(session: CaptureSession): void {
    if (session !== this.current && session.bindings === 0) this.library.call('ReleaseSession', session.handle);
  }
}

/** Minimum number of elements of a tensor whose memory is tested. */
const MIN_TRIED = 2 ** 16;
const TRIAL_VALUE = 2;

/** y = 2 for all elements of x, and the element of y at `index`. y may be x, whatever that contains. */
function allocationTrial(rank: number): OnnxModel {
  const node = (op: string, inputs: string[], output: string): OnnxNode => ({
    op,
    domain: '',
    inputs,
    outputs: [output],
    attrs: {},
    name: op,
  });
  const dims = Array.from({ length: rank }, (_, i) => `d${i}`);
  const scalar = (name: string, value: number) => ({
    name,
    type: 'float32' as const,
    dims: [],
    raw: new Uint8Array(Float32Array.of(value).buffer),
  });
  return {
    name: 'allocation trial',
    nodes: [
      node('Less', ['x', 'one'], 'isLess'),
      node('Where', ['isLess', 'value', 'value'], 'y'),
      node('Reshape', ['y', 'all'], 'flat'),
      node('Gather', ['flat', 'index'], 'last'),
    ],
    inputs: [
      { name: 'x', type: 'float32', dims },
      { name: 'index', type: 'int32', dims: [1] },
    ],
    outputs: [
      { name: 'y', type: 'float32', dims },
      { name: 'last', type: 'float32', dims: [1] },
    ],
    initializers: [
      scalar('one', 1),
      scalar('value', TRIAL_VALUE),
      { name: 'all', type: 'int64', dims: [1], raw: new Uint8Array(BigInt64Array.of(-1n).buffer) },
    ],
    opsets: { '': 20 },
  };
}

const settingsFor = (device: Device, deviceIndex = 0): RuntimeSessionOptions => ({
  device,
  deviceIndex,
  deviceOnly: device !== 'cpu',
  threads: 1,
});

/** Creates an IoBinding; call it in the queue only. */
function bound(library: Library, session: bigint, inputs: DeviceTensors, outputs: DeviceTensors): bigint {
  const binding = library.make('CreateIoBinding', session);
  for (const [name, tensor] of Object.entries(inputs)) {
    library.call('BindInput', binding, name, (tensor as Allocated).value);
  }
  for (const [name, tensor] of Object.entries(outputs)) {
    library.call('BindOutput', binding, name, (tensor as Allocated).value);
  }
  return binding;
}

/** Copies between an array and a tensor in the computer's own memory, for which the runtime has no copy function. */
function copyHere(library: Library, direction: 'in' | 'out', { data }: NdArray, { value }: Allocated): void {
  const array = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const tensor = library.view(library.make('GetTensorMutableData', value), data.byteLength);
  if (direction === 'in') tensor.set(array);
  else array.set(tensor);
}

function pointers(values: readonly bigint[]): BigUint64Array {
  const array = offHeap(BigUint64Array, values.length);
  array.set(values);
  return array;
}
