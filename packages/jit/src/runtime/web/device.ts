/**
 * Tensors and sessions on WebGPU in a browser, over onnxruntime-web. The state is in buffers of ours, to which the
 * runtime's sessions are bound: a run copies nothing between the device and JavaScript.
 */
import type { NdArray } from '@dm/ops';
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-common';
import { EngineError } from '../../errors.js';
import { sizeOf, type TensorSpec } from '../../graph/graph.js';
import { OnnxBuilder } from '../../onnx/builder.js';
import { encodeModel } from '../../onnx/proto.js';
import { onDevice } from '../device-queue.js';
import { type OnnxRuntimeModule, sessionOptions } from '../javascript.js';
import type {
  DeviceMemory,
  DeviceRuntime,
  DeviceSession,
  DeviceTensor,
  DeviceTensors,
  RuntimeSessionOptions,
} from '../runtime.js';
import { type GpuBuffer, type GpuDevice, gpuUsage, MAP_READ } from './gpu.js';

/** The exports of a build of onnxruntime-web with WebGPU that are used. */
export interface WebGpuModule extends OnnxRuntimeModule {
  readonly Tensor: OnnxRuntimeModule['Tensor'] & {
    fromGpuBuffer(buffer: never, options: { dataType: never; dims: readonly number[] }): OrtTensor;
  };
}

/** Whether a module may have WebGPU. The build without it has this function too, and fails when a session is created. */
export const isWebGpuModule = (ort: OnnxRuntimeModule): ort is WebGpuModule => 'fromGpuBuffer' in ort.Tensor;

export const webGpuHint =
  'It needs a browser with WebGPU, a page served over https or from localhost, and a build of onnxruntime-web with ' +
  'WebGPU: import "onnxruntime-web/jspi", or "onnxruntime-web/webgpu" for browsers without WebAssembly JSPI. The device ' +
  '"cpu" works everywhere.';

export function createWebDeviceRuntime(ort: WebGpuModule, name: string): DeviceRuntime {
  return {
    name,
    deviceHint: webGpuHint,
    openDevice: () => onDevice(() => WebDeviceMemory.open(ort)),
  };
}

/** A tensor in a buffer. */
interface Allocated extends DeviceTensor {
  readonly buffer: GpuBuffer;
  readonly value: OrtTensor;
}

class WebDeviceMemory implements DeviceMemory {
  copiedBytes = 0;
  private readonly tensors = new Set<Allocated>();
  private lost: string | undefined;

  private constructor(
    private readonly ort: WebGpuModule,
    private readonly gpu: GpuDevice,
    /** Keeps the runtime's device alive. */
    private readonly keeper: InferenceSession,
  ) {
    void gpu.lost.then(({ message, reason }) => (this.lost = message || reason));
  }

  static async open(ort: WebGpuModule): Promise<WebDeviceMemory> {
    if ((globalThis as { navigator?: { gpu?: object } }).navigator?.gpu === undefined) {
      throw new Error('this browser, or this page, has no WebGPU');
    }
    const keeper = await createSession(ort, identity(), { device: 'webgpu' });
    const gpu = (await ort.env?.webgpu?.device) as GpuDevice | undefined;
    if (gpu !== undefined) return new WebDeviceMemory(ort, gpu, keeper);
    await keeper.release();
    throw new Error('this build of onnxruntime-web does not support it');
  }

  createSession(model: Uint8Array, settings: RuntimeSessionOptions): Promise<DeviceSession> {
    return onDevice(async () => {
      const session = await createSession(this.ort, model, settings);
      return {
        bind: async (inputs, outputs) => {
          const [feeds, fetches] = [this.valuesOf(inputs), this.valuesOf(outputs)];
          return {
            run: () =>
              onDevice(() =>
                this.attempt('a computation', async () => {
                  this.checkAllocated([...Object.values(inputs), ...Object.values(outputs)]);
                  await session.run(feeds, fetches);
                }),
              ),
            release: async () => {},
          };
        },
        release: () => onDevice(() => session.release()),
      };
    });
  }

  allocate(spec: TensorSpec): Promise<DeviceTensor> {
    return onDevice(async () => {
      const size = paddedBytes(spec);
      const { storage, copySource, copyDestination } = gpuUsage;
      const buffer = await this.buffer(size, storage | copySource | copyDestination);
      if (buffer === undefined) throw this.tooLarge(spec, size);
      const { dtype, shape } = spec;
      const value = this.ort.Tensor.fromGpuBuffer(buffer as never, { dataType: dtype as never, dims: shape });
      const tensor = { dtype, shape, buffer, value };
      this.tensors.add(tensor);
      return tensor;
    });
  }

  free(tensors: readonly DeviceTensor[]): Promise<void> {
    return onDevice(() => {
      for (const tensor of tensors as readonly Allocated[]) if (this.tensors.delete(tensor)) tensor.buffer.destroy();
    });
  }

  upload(arrays: readonly NdArray[], tensors: readonly DeviceTensor[]): Promise<void> {
    return onDevice(() =>
      this.attempt('a copy', async () => {
        this.checkAllocated(tensors);
        arrays.forEach(({ data }, i) => {
          const { buffer } = tensors[i] as Allocated;
          this.copiedBytes += data.byteLength;
          const whole = data.byteLength - (data.byteLength % COPY_ALIGNMENT);
          this.gpu.queue.writeBuffer(buffer, 0, data.buffer, data.byteOffset, whole);
          if (whole === data.byteLength) return;
          const end = new Uint8Array(COPY_ALIGNMENT);
          end.set(new Uint8Array(data.buffer, data.byteOffset + whole, data.byteLength - whole));
          this.gpu.queue.writeBuffer(buffer, whole, end.buffer, 0, COPY_ALIGNMENT);
        });
      }),
    );
  }

  download(tensors: readonly DeviceTensor[], arrays: readonly NdArray[]): Promise<void> {
    return onDevice(() =>
      this.attempt('a copy', async () => {
        this.checkAllocated(tensors);
        const most = Math.min(STAGING_BYTES, this.gpu.limits.maxBufferSize);
        for (const { first, end } of groupsOf(tensors.map(paddedBytes), most)) {
          await this.downloadGroup(tensors.slice(first, end), arrays.slice(first, end));
        }
      }),
    );
  }

  /** Copies tensors through one buffer. */
  private async downloadGroup(tensors: readonly DeviceTensor[], arrays: readonly NdArray[]): Promise<void> {
    const sizes = tensors.map(paddedBytes);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    const staging = await this.buffer(total, gpuUsage.mapRead | gpuUsage.copyDestination);
    if (staging === undefined) throw new Error(`not enough memory for a copy of ${total} bytes`);
    try {
      const encoder = this.gpu.createCommandEncoder();
      let end = 0;
      tensors.forEach((tensor, i) => {
        encoder.copyBufferToBuffer((tensor as Allocated).buffer, 0, staging, end, sizes[i]!);
        end += sizes[i]!;
      });
      this.gpu.queue.submit([encoder.finish()]);
      await staging.mapAsync(MAP_READ);
      const mapped = staging.getMappedRange();
      let begin = 0;
      arrays.forEach(({ data }, i) => {
        this.copiedBytes += data.byteLength;
        new Uint8Array(data.buffer, data.byteOffset, data.byteLength).set(
          new Uint8Array(mapped, begin, data.byteLength),
        );
        begin += sizes[i]!;
      });
    } finally {
      staging.destroy();
    }
  }

  release(): Promise<void> {
    return onDevice(async () => {
      for (const { buffer } of this.tensors) buffer.destroy();
      this.tensors.clear();
      await this.keeper.release();
    });
  }

  /** Allocates a buffer; undefined if the device has no memory for it, or allows no buffer of this size. */
  private async buffer(size: number, usage: number): Promise<GpuBuffer | undefined> {
    const { gpu } = this;
    if (size > gpu.limits.maxBufferSize) return undefined;
    gpu.pushErrorScope('out-of-memory');
    gpu.pushErrorScope('validation');
    const buffer = gpu.createBuffer({ size, usage });
    const errors = await Promise.all([gpu.popErrorScope(), gpu.popErrorScope()]);
    if (errors.every((error) => error === null)) return buffer;
    buffer.destroy();
    return undefined;
  }

  private valuesOf(tensors: DeviceTensors): Record<string, OrtTensor> {
    this.checkAllocated(Object.values(tensors));
    return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, (tensor as Allocated).value]));
  }

  /** @throws {EngineError} `DISPOSED` if a tensor has been freed */
  private checkAllocated(tensors: readonly DeviceTensor[]): void {
    if (tensors.some((tensor) => !this.tensors.has(tensor as Allocated))) {
      throw new EngineError('DISPOSED', 'the engine that stored this state on the device "webgpu" was disposed of');
    }
  }

  /** @throws {EngineError} `DEVICE_FAILED` with the reason if `work` fails or the device has been lost */
  private async attempt(what: string, work: () => Promise<void>): Promise<void> {
    try {
      if (this.lost !== undefined) throw new Error(`the device was lost: ${this.lost}`);
      await work();
    } catch (cause) {
      if (cause instanceof EngineError) throw cause;
      throw new EngineError(
        'DEVICE_FAILED',
        `The device "webgpu" failed in ${what}: ${cause instanceof Error ? cause.message : String(cause)}. If it was ` +
          'lost (its driver was reset, or its memory is full), reload the page.',
        { cause },
      );
    }
  }

  private tooLarge({ shape }: TensorSpec, size: number): EngineError {
    const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
    const { maxBufferSize, maxStorageBufferBindingSize } = this.gpu.limits;
    return new EngineError(
      'MEMORY_EXHAUSTED',
      `The device "webgpu" cannot hold a tensor of ${mib(size)} ([${shape.join(', ')}]): its memory is full, or it is ` +
        `larger than the browser allows (${mib(Math.min(maxBufferSize, maxStorageBufferBindingSize))}). Use a smaller ` +
        'model or batch, or the device "cpu".',
    );
  }
}

/** Most bytes that are read through one buffer, unless a single tensor has more. */
const STAGING_BYTES = 2 ** 26;

/** Ranges of consecutive sizes, each with a sum of at most `most`, or of a single one. */
function groupsOf(sizes: readonly number[], most: number) {
  const groups: { first: number; end: number }[] = [];
  let sum = 0;
  sizes.forEach((size, i) => {
    const group = groups.at(-1);
    if (group === undefined || sum + size > most) {
      groups.push({ first: i, end: i + 1 });
      sum = size;
      return;
    }
    group.end = i + 1;
    sum += size;
  });
  return groups;
}

/** Copies and bindings need sizes that are multiples of these, in bytes. */
const COPY_ALIGNMENT = 4;
const BUFFER_ALIGNMENT = 16;

const elementBytes = { float32: 4, int32: 4, bool: 1 } as const;

const paddedBytes = ({ dtype, shape }: TensorSpec): number =>
  Math.max(1, Math.ceil((sizeOf(shape) * elementBytes[dtype]) / BUFFER_ALIGNMENT)) * BUFFER_ALIGNMENT;

function createSession(
  { InferenceSession }: WebGpuModule,
  model: Uint8Array,
  settings: RuntimeSessionOptions,
): Promise<InferenceSession> {
  const { device, convolutionLayout: preferredLayout } = settings;
  return InferenceSession.create(model, {
    ...sessionOptions(settings),
    executionProviders: [{ name: device, ...(preferredLayout !== undefined && { preferredLayout }) }],
    preferredOutputLocation: 'gpu-buffer',
  });
}

/** A model that the runtime opens its device for. */
function identity(): Uint8Array {
  const onnx = new OnnxBuilder();
  const y = onnx.op('Identity', ['x']);
  const tensor = (name: string) => ({ name, type: 'float32' as const, dims: [1] });
  const { nodes, initializers } = onnx;
  return encodeModel({
    name: 'device',
    nodes,
    initializers,
    inputs: [tensor('x')],
    outputs: [tensor(y)],
    opsets: { '': 20 },
  });
}
