/** The runtime below the engine: where it comes from, and what of it works on this machine. */
import type { NdArray } from '@dm/ops';
import type { InferenceSession, Tensor as OrtTensor, TypedTensor } from 'onnxruntime-common';
import { sizeOf } from './graph.js';
import { blockedProbe } from './lower/blocked-conv.js';
import { encodeModel, type OnnxModel } from './onnx/proto.js';

/** The part of ONNX Runtime's JavaScript API that the engine uses; onnxruntime-node and -web both have it. */
export interface OnnxRuntime {
  readonly InferenceSession: {
    create(model: Uint8Array, options?: InferenceSession.SessionOptions): Promise<InferenceSession>;
  };
  readonly Tensor: new (type: string, data: NdArray['data'], dims: readonly number[]) => OrtTensor;
}

/** How many the machine has, as far as it says. */
export async function processors(): Promise<number | string> {
  if (inNode) return (await import('node:os')).availableParallelism();
  const { navigator } = globalThis as { navigator?: { hardwareConcurrency?: number } };
  return navigator?.hardwareConcurrency ?? 'unknown';
}

const inNode = typeof process !== 'undefined' && process.versions?.node !== undefined;

export async function loadRuntime(): Promise<{ runtime: OnnxRuntime; version: string }> {
  const name = inNode ? 'onnxruntime-node' : 'onnxruntime-web';
  try {
    const module = (await import(name)) as { default?: OnnxRuntime; env?: { versions?: Record<string, string> } };
    const runtime = (module.default ?? module) as OnnxRuntime & { env?: { versions?: Record<string, string> } };
    const versions = runtime.env?.versions ?? {};
    return { runtime, version: `${name} ${versions[inNode ? 'node' : 'web'] ?? versions['common'] ?? 'unknown'}` };
  } catch (cause) {
    throw new Error(
      `The onnx engine needs the package ${name}, which could not be loaded. Install it: npm install ${name}`,
      { cause },
    );
  }
}

/** Tries the block sizes that ONNX Runtime knows; 0 if it has no blocked convolutions, or other ones than expected. */
export async function findBlock(runtime: OnnxRuntime): Promise<number> {
  for (const block of [16, 8]) {
    const { model, shapes } = blockedProbe(block);
    const tensor = (dims: readonly number[], seed: number) => {
      const data = Float32Array.from({ length: sizeOf(dims) }, (_, i) => Math.sin((i + 1) * seed));
      return new runtime.Tensor('float32', data, dims);
    };
    try {
      const session = await runtime.InferenceSession.create(encodeModel(model), { executionProviders: ['cpu'] });
      const results = await session.run({ x: tensor(shapes.x, 0.7), filter: tensor(shapes.filter, 1.3) });
      await session.release();
      const [plain, blocked] = [dataOf(results['plain']!), dataOf(results['blocked']!)];
      if (plain.every((value, i) => Math.abs(value - blocked[i]!) <= 1e-4)) return block;
    } catch {
      return 0; // the provider does not have these operators
    }
  }
  return 0;
}

/** What computes, as the runtime's execution providers are called. */
export const devices = ['cpu', 'webgpu', 'cuda'] as const;

export type Device = (typeof devices)[number];

/** y = x wᵀ: small, and known to every device. */
const deviceProbe: OnnxModel = {
  name: 'device probe',
  nodes: [{ op: 'Gemm', domain: '', inputs: ['x', 'w'], outputs: ['y'], attrs: { transB: { int: 1 } }, name: 'Gemm' }],
  inputs: ['x', 'w'].map((name) => ({ name, type: 'float32', dims: [2, 2] })),
  outputs: [{ name: 'y', type: 'float32', dims: [2, 2] }],
  initializers: [],
  opsets: { '': 20 },
};

/** Computes something small on `device` alone. Throws an Error with the runtime's reason where that does not work. */
export async function tryDevice(runtime: OnnxRuntime, device: Device): Promise<void> {
  let found: readonly number[];
  try {
    const session = await runtime.InferenceSession.create(encodeModel(deviceProbe), {
      executionProviders: [device],
      // Without this the runtime would quietly use the processor for what the device cannot do.
      extra: { session: { disable_cpu_ep_fallback: '1' } },
    });
    const matrix = (...values: number[]) => new runtime.Tensor('float32', Float32Array.from(values), [2, 2]);
    const { y } = await session.run({ x: matrix(1, 2, 3, 4), w: matrix(5, 6, 7, 8) });
    found = [...dataOf(y!)];
    await session.release();
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    // The runtime begins some messages with a place in its own source and the check that failed there.
    const reason = message
      .replace(/^\/\S*onnxruntime\S*:\d+ .* was false\. /s, '')
      .trim()
      .replace(/\.$/, '');
    throw new Error(`The device "${device}" does not work here: ${reason}. ${deviceHints[device]}`, { cause });
  }
  const expected = [17, 23, 39, 53];
  if (found.some((value, i) => Math.abs(value - expected[i]!) > 1e-3)) {
    throw new Error(
      `The device "${device}" computes wrong numbers here: ${found.join(', ')}, not ${expected.join(', ')}`,
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

export const dataOf = (tensor: OrtTensor): NdArray['data'] =>
  (tensor as TypedTensor<'float32' | 'int32' | 'bool'>).data;
