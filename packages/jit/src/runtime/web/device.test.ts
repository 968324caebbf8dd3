// The copies of a device, on a fake one whose buffers are in this process. The real one is tested in a browser.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { float32 } from '@dm/ops';
import { createWebDeviceRuntime, type WebGpuModule } from './device.js';

interface FakeBuffer {
  readonly bytes: Uint8Array;
}

const maxBufferSize = 64;
let mapped: number[];

function fakeModule(): WebGpuModule {
  mapped = [];
  const device = {
    limits: { maxBufferSize, maxStorageBufferBindingSize: maxBufferSize },
    lost: new Promise(() => {}),
    queue: {
      writeBuffer: ({ bytes }: FakeBuffer, offset: number, data: ArrayBuffer, begin: number, size: number) =>
        bytes.set(new Uint8Array(data, begin, size), offset),
      submit: () => {},
    },
    createBuffer: ({ size }: { size: number }) => {
      if (size > maxBufferSize) throw new RangeError(`a buffer of ${size} bytes`);
      const bytes = new Uint8Array(size);
      return {
        bytes,
        destroy: () => {},
        mapAsync: async () => void mapped.push(size),
        getMappedRange: () => bytes.buffer,
      };
    },
    createCommandEncoder: () => ({
      copyBufferToBuffer: (from: FakeBuffer, begin: number, to: FakeBuffer, offset: number, size: number) =>
        to.bytes.set(from.bytes.subarray(begin, begin + size), offset),
      finish: () => ({}),
    }),
    pushErrorScope: () => {},
    popErrorScope: async () => null,
  };
  const module = {
    InferenceSession: { create: async () => ({ release: async () => {} }) },
    Tensor: { fromGpuBuffer: () => ({}) },
    env: { webgpu: { device } },
  };
  return module as unknown as WebGpuModule;
}

beforeEach(() => vi.stubGlobal('navigator', { gpu: {} }));
afterEach(() => vi.unstubAllGlobals());

it('reads any number of tensors that fit one by one, in as few copies as a buffer allows', async () => {
  const memory = await createWebDeviceRuntime(fakeModule(), 'fake').openDevice('webgpu');
  const sizes = [8, 4, 4, 16, 3, 1]; // of float32: 32 + 16 + 16, 64, and 16 + 16 bytes with padding
  const arrays = sizes.map((size, n) => float32(Array.from({ length: size }, (_, i) => 100 * n + i)));
  const tensors = await Promise.all(sizes.map((size) => memory.allocate({ dtype: 'float32', shape: [size] })));
  await memory.upload(arrays, tensors);
  const copies = sizes.map((size) => float32(new Float32Array(size)));
  await memory.download(tensors, copies);
  expect(copies).toEqual(arrays);
  expect(mapped).toEqual([64, 64, 32]);
  await memory.download([], []);
  expect(mapped).toHaveLength(3);
  await memory.release();
});
