/** What the engine needs from a runtime: sessions that read and write the engine's arrays. */
import type { Arrays, NdArray } from '@dm/ops';
import type { TensorSpec } from '../graph/graph.js';

/** Devices, named like the runtime's execution providers. */
export const devices = ['cpu', 'webgpu', 'cuda'] as const;

export type Device = (typeof devices)[number];

/** The name of a device in messages: `cuda:1` if a card was chosen, otherwise as given. */
export const deviceLabel = (device: Device, index?: number): string =>
  index === undefined ? device : `${device}:${index}`;

/** Microseconds for which a waiting thread spins before it sleeps; docs/engine.md has the measurements. */
export const SPIN_DURATION_US = 50;

/**
 * The runtime's own graph passes that are disabled. This one, which exists twice, moves transposes behind the Split of
 * attention's groups of images and creates one for each image; the lowering leaves none that are unnecessary.
 */
export const DISABLED_OPTIMIZERS = 'TransposeOptimizer;TransposeOptimizer_CPUExecutionProvider';

/**
 * The same on devices. It would move the padding that the lowering puts before some convolutions back into them (see
 * lower/plain-conv.ts).
 */
export const DISABLED_DEVICE_OPTIMIZERS = 'Pad_Fusion';

/** Layouts in which WebGPU can compute convolutions. */
export const convolutionLayouts = ['NHWC', 'NCHW'] as const;

export type ConvolutionLayout = (typeof convolutionLayouts)[number];

export interface RuntimeSessionOptions {
  readonly device: Device;
  /** Threads within one operator. Default: chosen by the runtime. */
  readonly threads?: number;
  /** Refuse a graph that needs the CPU in addition to the device. */
  readonly deviceOnly?: boolean;
  /** Layout in which WebGPU computes convolutions. Default: chosen by the runtime. */
  readonly convolutionLayout?: ConvolutionLayout;
  /** Which card `cuda` uses, counted from 0. Default: 0. */
  readonly deviceIndex?: number;
  /** Whether `cuda` rounds the operands of float32 products to TF32. Default: false. */
  readonly tf32?: boolean;
  /**
   * Records the commands of each binding's first run on `webgpu` or `cuda`, and replays them later. Default: false.
   */
  readonly graphCapture?: boolean;
  /** Prefix of the name of the session's profile, which the runtime writes on release. */
  readonly profilePrefix?: string;
}

/** One graph, ready to run on the engine's arrays. */
export interface RuntimeSession {
  /**
   * Binds arrays to the graph: the returned call reads `inputs` and writes the elements of `outputs`, which must have
   * the graph's types and shapes. It may be called repeatedly and uses the arrays' contents at that time.
   */
  bind(inputs: Arrays, outputs: Arrays): BoundCall;
  /** Frees the session after pending calls; its profile, if any, is written first. */
  release(): Promise<void>;
}

/** Runs a graph on the arrays bound to it; they must not be read or changed until the promise settles. */
export type BoundCall = () => Promise<void>;

export interface Runtime {
  /** The runtime, its version, and its API: `ONNX Runtime 1.30.0, C API`. */
  readonly name: string;
  /** Whether a session's arrays may be in shared memory (`SharedArrayBuffer`). */
  readonly sharedArrays: boolean;
  /** Rejects with the runtime's message if it refuses the model or the settings. */
  createSession(model: Uint8Array, settings: RuntimeSessionOptions): Promise<RuntimeSession>;
}

/** A tensor in a device's memory. */
export type DeviceTensor = TensorSpec;

export type DeviceTensors = Readonly<Record<string, DeviceTensor>>;

/** One graph, ready to run on tensors of a device. */
export interface DeviceSession {
  /** Binds tensors to the graph's inputs and outputs. Outputs must not be inputs of the same binding. */
  bind(inputs: DeviceTensors, outputs: DeviceTensors): Promise<DeviceBinding>;
  /** Frees the session; its bindings must have been released. Its profile, if any, is written first. */
  release(): Promise<void>;
}

/** A graph with its tensors. */
export interface DeviceBinding {
  run(): Promise<void>;
  release(): Promise<void>;
}

/** The memory of a device, and sessions on it. All calls wait for their turn in one queue per process. */
export interface DeviceMemory {
  /** Rejects with the runtime's message if it refuses the model or the settings. */
  createSession(model: Uint8Array, settings: RuntimeSessionOptions): Promise<DeviceSession>;
  /**
   * Allocates a tensor of undefined contents.
   * @throws {EngineError} `MEMORY_EXHAUSTED` if the device cannot hold it, with its size and a size that works
   */
  allocate(spec: TensorSpec): Promise<DeviceTensor>;
  free(tensors: readonly DeviceTensor[]): Promise<void>;
  /** Copies arrays to tensors of the same types and shapes; the arrays must not change until the promise settles. */
  upload(arrays: readonly NdArray[], tensors: readonly DeviceTensor[]): Promise<void>;
  /** Copies tensors to arrays of the same types and shapes. */
  download(tensors: readonly DeviceTensor[], arrays: readonly NdArray[]): Promise<void>;
  /** Bytes that `upload` and `download` have copied so far. */
  readonly copiedBytes: number;
  /** Frees all tensors, then the memory. Sessions and bindings must have been released. */
  release(): Promise<void>;
}

/** A runtime whose state stays on a device. */
export interface DeviceRuntime {
  /** The runtime, its version, and its API, as in `Runtime`. */
  readonly name: string;
  /** What its devices need, for the error about one that does not work. Default: what they need in Node. */
  readonly deviceHint?: string;
  /**
   * Opens a device, `index` (default 0) of several. Rejects with the runtime's message if it has no such device.
   */
  openDevice(device: Device, index?: number): Promise<DeviceMemory>;
}
