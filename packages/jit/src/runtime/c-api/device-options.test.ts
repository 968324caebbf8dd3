/** What a device's options send to the C API, with a library that records its calls. No card is needed. */
import { expect, it } from 'vitest';
import { openOnnxEngine } from '../../engine.js';
import { EngineError } from '../../errors.js';
import type { DeviceMemory, DeviceRuntime, RuntimeSessionOptions } from '../runtime.js';
import { CapturingSession, openDeviceRuntime } from './device.js';
import { type Argument, type Library, openLibrary } from './library.js';
import { findRuntimeLibrary } from './find-library.js';
import { sessionOptions } from './runtime.js';

/** Records calls; pointers of arrays of strings are read, since their memory is valid during the call only. */
async function recorder() {
  const { path } = await findRuntimeLibrary();
  const real = await openLibrary(path);
  const calls: [name: string, ...args: unknown[]][] = [];
  const read = (pointers: BigUint64Array) =>
    Array.from(pointers, (pointer) => {
      const bytes = real.view(pointer, 64);
      return new TextDecoder().decode(bytes.slice(0, bytes.indexOf(0)));
    });
  let made = 0n;
  const library: Library = {
    ...real,
    call: (name, ...args: Argument[]) =>
      void calls.push([name, ...args.map((arg) => (arg instanceof BigUint64Array ? read(arg) : arg))]),
    make: (name) => {
      calls.push([name]);
      return ++made;
    },
  };
  return { library, calls, of: (name: string) => calls.filter(([called]) => called === name) };
}

it.each<[Partial<RuntimeSessionOptions>, string[]]>([
  [{}, ['0', '0', '0']],
  [{ deviceIndex: 1, tf32: true, graphCapture: true }, ['1', '1', '1']],
])('cuda with %j', async (options, values) => {
  const { library, of } = await recorder();
  sessionOptions(library, { device: 'cuda', ...options });
  const keys = ['device_id', 'use_tf32', 'enable_cuda_graph'];
  expect(of('UpdateCUDAProviderOptions')).toEqual([[expect.any(String), 2n, keys, values, 3]]);
  expect(of('SessionOptionsAppendExecutionProvider_CUDA_V2')).toEqual([[expect.any(String), 1n, 2n]]);
  expect(of('ReleaseCUDAProviderOptions')).toEqual([[expect.any(String), 2n]]);
});

it('webgpu enables graph capture before its provider is added, and only if asked to', async () => {
  const entry = 'ep.webgpuexecutionprovider.enableGraphCapture';
  const { library, calls } = await recorder();
  sessionOptions(library, { device: 'webgpu', graphCapture: true });
  const at = calls.findIndex(([, , key, value]) => key === entry && value === '1');
  expect(at).toBeGreaterThan(0);
  expect(calls.findIndex(([name]) => name === 'SessionOptionsAppendExecutionProvider')).toBeGreaterThan(at);

  const without = await recorder();
  sessionOptions(without.library, { device: 'webgpu' });
  expect(without.calls.flat()).not.toContain(entry);
});

it('gives each binding its own id, and replaces a session after 16', async () => {
  const { library, of } = await recorder();
  const bound: [handle: bigint, id: number][] = [];
  let opened = 100n;
  const session = new CapturingSession(
    library,
    opened,
    async () => ++opened,
    (handle, _inputs, _outputs, id) => {
      bound.push([handle, id]);
      return { run: async () => {}, release: async () => {} };
    },
  );
  const bindings = [];
  for (let i = 0; i < 17; i++) bindings.push(await session.bind({}, {}));
  expect(bound.slice(0, 16)).toEqual(Array.from({ length: 16 }, (_, i) => [100n, i + 1]));
  expect(bound[16]).toEqual([101n, 1]);
  for (const binding of bindings.slice(0, 15)) await binding.release();
  expect(of('ReleaseSession')).toEqual([]);
  await bindings[15]!.release();
  await bindings[16]!.release();
  expect(of('ReleaseSession')).toEqual([['ReleaseSession', 100n]]);
  await session.release();
  expect(of('ReleaseSession').at(-1)).toEqual(['ReleaseSession', 101n]);
});

it('the engine opens the chosen card and refuses options of other devices by name', async () => {
  const opened: unknown[] = [];
  const runtime: DeviceRuntime = {
    name: 'none',
    openDevice: async (...args) => {
      opened.push(args);
      throw new Error('no such card');
    },
  };
  for (const device of ['cuda', 'cuda:0', 'cuda:1'] as const) {
    await expect(openOnnxEngine({ device, runtime })).rejects.toThrowWith({
      type: EngineError,
      code: 'DEVICE_UNUSABLE',
      contains: [device, 'no such card'],
    });
  }
  expect(opened).toEqual([
    ['cuda', undefined],
    ['cuda', 0],
    ['cuda', 1],
  ]);
  for (const device of ['cuda:x', 'cuda:-1', 'cuda:', 'cuda:01', 'cuda:10000', 'webgpu:1', 'cpu:1', 'gpu:1']) {
    await expect(openOnnxEngine({ device: device as 'cuda' })).rejects.toThrowWith({
      type: RangeError,
      contains: [`"${device}"`, 'cpu, webgpu, cuda', 'such as cuda:1'],
    });
  }
  await expect(openOnnxEngine({ graphCapture: true })).rejects.toThrow(/graphCapture.*cpu/);
  await expect(openOnnxEngine({ device: 'webgpu', graphCapture: true, profilePrefix: 'p' })).rejects.toThrow(/profile/);
  await expect(openOnnxEngine({ device: 'webgpu', tf32: true })).rejects.toThrow(/tf32.*webgpu/);
});

it('errors of a chosen card have its index, and others do not', async () => {
  const failing = async () => Promise.reject(new Error('no kernels'));
  const memory = {
    allocate: failing,
    createSession: failing,
    free: async () => {},
    release: async () => {},
  } as unknown as DeviceMemory;
  const runtime: DeviceRuntime = { name: 'none', openDevice: async () => memory };
  for (const device of ['cuda', 'cuda:1'] as const) {
    await expect(openOnnxEngine({ device, runtime })).rejects.toThrowWith({
      type: EngineError,
      code: 'DEVICE_UNUSABLE',
      contains: [`"${device}"`, 'no kernels'],
    });
  }
  // The computer's own memory, which needs no card, has the same messages.
  const host = await openDeviceRuntime('cpu');
  for (const [index, name] of [
    [undefined, 'cpu'],
    [0, 'cpu:0'],
  ] as const) {
    const own = await host.openDevice('cpu', index);
    const tensor = await own.allocate({ dtype: 'float32', shape: [1] });
    await own.free([tensor]);
    const array = { dtype: 'float32', shape: [1], data: new Float32Array(1) } as const;
    await expect(own.download([tensor], [array])).rejects.toThrowWith({
      code: 'DISPOSED',
      contains: [`device "${name}"`],
    });
    await own.release();
  }
});
