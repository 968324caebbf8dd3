import * as tf from '@tensorflow/tfjs-core';
import { currentPrecision, currentScope, type DType } from '@dm/ops';
import { TraceError, unsupportedKernel, withKernelErrors } from '../errors.js';
import { atCallSite, captureCallSite } from '../graph/call-site.js';
import {
  type ConstData,
  type GraphBuilder,
  type KernelCall,
  type Node,
  sameShape,
  sizeOf,
  type Value,
} from '../graph/graph.js';
import { kernels, productKernels } from '../lower/index.js';
import { tfjsKernels } from './kernel-names.js';

/** TF.js backend on which programs are traced: each kernel call becomes a node of the current graph. */
export const RECORDER = 'dm-recorder';

interface Recorded {
  readonly value: Value;
  readonly node: Node;
}

class RecorderBackend extends tf.KernelBackend {
  /** The trace in progress; kernel calls outside a trace are errors. */
  builder: GraphBuilder | undefined;
  /** The first refused read of this trace; an async program would hide it in its promise. */
  refusedRead: TraceError | undefined;
  private readonly store = new tf.DataStorage<Recorded>(this, tf.engine());

  private get target(): GraphBuilder {
    if (this.builder === undefined) {
      throw new TraceError(`The TF.js backend "${RECORDER}" records programs for @dm/jit and cannot be used directly.`);
    }
    return this.builder;
  }

  /** A traced tensor for a value of the graph. */
  track(value: Value, node: Node): tf.TensorInfo {
    const dataId = {};
    this.store.set(dataId, { value, node });
    return { dataId, shape: [...value.shape], dtype: value.dtype };
  }

  traced(info: tf.TensorInfo): Value {
    const { value } = this.store.get(info.dataId);
    if (sameShape(value.shape, info.shape)) return value;
    // TF.js may use the same data with another shape.
    const [reshaped] = this.target.emit(
      {
        op: 'Reshape',
        inputs: [value],
        inputNames: ['x'],
        attrs: { shape: [...info.shape] },
        callSite: captureCallSite(),
        scope: currentScope(),
      },
      [{ shape: info.shape, dtype: value.dtype }],
    );
    return reshaped!;
  }

  private constant(dataId: object, values: tf.BackendValues | null, shape: number[], dtype: tf.DataType): void {
    const type = supportedType(dtype);
    const data = toData(values, sizeOf(shape), type);
    const first = data[0];
    const splat = first !== undefined && data.every((x) => Object.is(x, first));
    const value = this.target.constant({ shape, dtype: type }, splat ? first : data, captureCallSite());
    this.store.set(dataId, { value, node: this.target.nodes.at(-1)! });
  }

  override write(values: tf.BackendValues, shape: number[], dtype: tf.DataType): object {
    const dataId = {};
    this.constant(dataId, values, shape, dtype);
    return dataId;
  }

  /** A tensor created outside the trace on another backend becomes a constant. */
  override move(dataId: object, values: tf.BackendValues, shape: number[], dtype: tf.DataType): void {
    this.constant(dataId, values, shape, dtype);
  }

  override readSync(dataId: object): tf.BackendValues {
    const { value, node } = this.store.get(dataId);
    if (node.op === 'Const') return constData(node, value);
    const error = new TraceError(
      `A compiled program cannot read a tensor's value: this one, ${value.dtype} [${value.shape.join(', ')}], is the ` +
        `result of ${node.op} and is known only when the program runs. Return it as an output, pass it in as an ` +
        `input, or choose with tf.where instead of if.${atCallSite(captureCallSite())}`,
    );
    this.refusedRead ??= error;
    throw error;
  }

  override read(dataId: object): Promise<tf.BackendValues> {
    return Promise.resolve(this.readSync(dataId));
  }

  override disposeData(dataId: object): boolean {
    this.store.delete(dataId);
    return true;
  }

  override refCount(dataId: object): number {
    return this.store.has(dataId) ? 1 : 0;
  }

  override incRef(): void {}

  override numDataIds(): number {
    return this.store.numDataIds();
  }

  override floatPrecision(): 32 {
    return 32;
  }

  override epsilon(): number {
    return 1e-7;
  }

  override timerAvailable(): boolean {
    return false;
  }

  override dispose(): void {}
}

function constData(node: Node, value: Value): ConstData {
  const { data, splat } = node.attrs as { data?: ConstData; splat?: number };
  return data ?? toData(null, sizeOf(value.shape), value.dtype).fill(splat!);
}

function supportedType(dtype: tf.DataType): DType {
  if (dtype === 'float32' || dtype === 'int32' || dtype === 'bool') return dtype;
  throw new TraceError(
    `Compiled programs support float32, int32, and bool tensors, not ${dtype}.${atCallSite(captureCallSite())}`,
  );
}

function toData(values: tf.BackendValues | null, size: number, dtype: DType): ConstData {
  const Type = dtype === 'float32' ? Float32Array : dtype === 'int32' ? Int32Array : Uint8Array;
  return values === null ? new Type(size) : Type.from(values as Float32Array);
}

/** Registers the backend, and once its kernels, in TF.js's own registries (shared by ESM and CommonJS). */
export function recorder(): RecorderBackend {
  const known = tf.findBackend(RECORDER) as RecorderBackend | null;
  if (known !== null) return known;
  tf.registerBackend(RECORDER, () => new RecorderBackend(), 0);
  for (const kernelName of kernelNames()) {
    if (tf.getKernel(kernelName, RECORDER) != null) continue; // kernels outlive a backend that is removed
    tf.registerKernel({ kernelName, backendName: RECORDER, kernelFunc: (call) => record(kernelName, call) });
  }
  return tf.findBackend(RECORDER) as RecorderBackend;
}

/** All kernels that TF.js names, with or without a lowering, and the kernels of @dm/ops. */
export function kernelNames(): string[] {
  return [...new Set([...Object.keys(kernels), ...tfjsKernels])].toSorted();
}

interface TfKernelCall {
  readonly inputs: tf.NamedTensorInfoMap;
  readonly attrs?: tf.NamedAttrMap;
}

/** Kernels that return a list, even of a single tensor. */
const lists = new Set(['SplitV', 'Unpack']);

function record(op: string, call: TfKernelCall): tf.TensorInfo | tf.TensorInfo[] {
  const backend = recorder();
  const callSite = captureCallSite();
  const given = Object.entries(call.inputs).filter(([, info]) => info !== undefined && info !== null);
  const recordedCall: KernelCall = {
    op,
    inputs: given.map(([, info]) => backend.traced(info!)),
    inputNames: given.map(([name]) => name),
    attrs: call.attrs ?? {},
    callSite,
    scope: currentScope(),
    ...(productKernels.has(op) && currentPrecision() !== 'f32' && { precision: currentPrecision() }),
  };
  const kernel = kernels[op];
  if (kernel === undefined) throw unsupportedKernel(recordedCall);
  const builder = backend.builder!;
  const outputs = builder.emit(
    recordedCall,
    withKernelErrors(recordedCall, () => kernel.infer(recordedCall)),
  );
  const recorded = builder.nodes.at(-1)!;
  const infos = outputs.map((value) => backend.track(value, recorded));
  return infos.length === 1 && !lists.has(op) ? infos[0]! : infos;
}
