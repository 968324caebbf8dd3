/** Finds out by trial what a runtime supports on this machine. */
import type { NdArray } from '@dm/ops';
import { EngineError } from '../errors.js';
import { sizeOf } from '../graph/graph.js';
import { blockedProbe } from '../lower/blocked-conv.js';
import { encodeModel, type OnnxModel } from '../onnx/proto.js';
import { emptyArray } from './arrays.js';
import type { Device, Runtime } from './runtime.js';

/**
 * Tries the block sizes that ONNX Runtime uses; 0 if it has no blocked convolutions, or if they compute something else.
 */
export async function probeBlockSize(runtime: Runtime): Promise<number> {
  for (const block of [16, 8]) {
    const { model, shapes } = blockedProbe(block);
    const array = (shape: readonly number[], seed: number): NdArray => {
      const data = Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin((i + 1) * seed));
      return { dtype: 'float32', shape, data };
    };
    const results = resultsOf(model);
    try {
      const session = await runtime.createSession(encodeModel(model), { device: 'cpu', threads: 1 });
      await session.bind({ x: array(shapes.x, 0.7), filter: array(shapes.filter, 1.3) }, results)();
      await session.release();
    } catch {
      return 0; // the provider lacks these operators
    }
    const [plain, blocked] = [results['plain']!.data, results['blocked']!.data];
    if (plain.every((value, i) => Math.abs(value - blocked[i]!) <= 1e-4)) return block;
  }
  return 0;
}

/** y = x wᵀ: small, and supported by every device. */
const deviceProbe: OnnxModel = {
  name: 'device probe',
  nodes: [{ op: 'Gemm', domain: '', inputs: ['x', 'w'], outputs: ['y'], attrs: { transB: { int: 1 } }, name: 'Gemm' }],
  inputs: ['x', 'w'].map((name) => ({ name, type: 'float32', dims: [2, 2] })),
  outputs: [{ name: 'y', type: 'float32', dims: [2, 2] }],
  initializers: [],
  opsets: { '': 20 },
};

/**
 * Computes something small on `device` alone.
 * @throws {EngineError} with the runtime's reason, if that fails
 */
export async function checkDevice(runtime: Runtime, device: Device): Promise<void> {
  const matrix = (...values: number[]): NdArray => ({
    dtype: 'float32',
    shape: [2, 2],
    data: Float32Array.from(values),
  });
  const y = matrix(0, 0, 0, 0);
  try {
    // Without `deviceOnly`, the runtime would silently fall back to the CPU.
    const session = await runtime.createSession(encodeModel(deviceProbe), { device, deviceOnly: true, threads: 1 });
    await session.bind({ x: matrix(1, 2, 3, 4), w: matrix(5, 6, 7, 8) }, { y })();
    await session.release();
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    // Some of the runtime's messages begin with a location in its own source and the failed assertion.
    const reason = message
      .replace(/^\/\S*onnxruntime\S*:\d+ .* was false\. /s, '')
      .trim()
      .replace(/\.$/, '');
    throw new EngineError(
      'DEVICE_UNUSABLE',
      `The device "${device}" does not work on this machine: ${reason}. ${deviceHints[device]}`,
      { cause },
    );
  }
  const found = [...y.data];
  const expected = [17, 23, 39, 53];
  if (found.some((value, i) => Math.abs(value - expected[i]!) > 1e-3)) {
    throw new EngineError(
      'DEVICE_UNUSABLE',
      `The device "${device}" computes wrong numbers on this machine: ${found.join(', ')}, not ${expected.join(', ')}`,
    );
  }
}

const deviceHints: Record<Device, string> = {
  cpu: '',
  webgpu: 'It needs a graphics card and its driver: Vulkan on Linux, Direct3D 12 on Windows, Metal on macOS.',
  cuda:
    'It needs Linux on x64, an NVIDIA card, CUDA 12 with cuDNN 9, and the part of onnxruntime-node that its install ' +
    'script fetches: "npm install onnxruntime-node" or "pnpm add --allow-build=onnxruntime-node onnxruntime-node".',
};

/** Arrays for the outputs of a model of known shapes. */
function resultsOf({ outputs }: OnnxModel): Record<string, NdArray> {
  return Object.fromEntries(
    outputs.map(({ name, dims }) => [name, emptyArray({ dtype: 'float32', shape: dims as readonly number[] })]),
  );
}
