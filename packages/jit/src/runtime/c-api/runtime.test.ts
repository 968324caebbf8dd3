import type { NdArray } from '@dm/ops';
import { describe, expect, it, vi } from 'vitest';
import { encodeModel } from '../../onnx/proto.js';
import { floats, given, onnxNode } from '../../testing.js';
import { emptyArray } from '../arrays.js';
import { createJavaScriptRuntime } from '../node-javascript.js';
import { openCApiRuntime } from './runtime.js';

/** y = x w and total = sum of y, for square matrices of `size`. */
function product(size: number): Uint8Array {
  return encodeModel({
    name: 'product',
    nodes: [onnxNode('MatMul', ['x', 'w'], 'y'), onnxNode('ReduceSum', ['y'], 'total', { keepdims: { int: 0 } })],
    inputs: ['x', 'w'].map((name) => ({ name, type: 'float32', dims: [size, size] })),
    outputs: [
      { name: 'y', type: 'float32', dims: [size, size] },
      { name: 'total', type: 'float32', dims: [] },
    ],
    initializers: [],
    opsets: { '': 20 },
  });
}

const outputsOf = (size: number): Record<'y' | 'total', NdArray> => ({
  y: emptyArray({ dtype: 'float32', shape: [size, size] }),
  total: emptyArray({ dtype: 'float32', shape: [] }),
});

describe('the C API', () => {
  it('reads and writes arrays in place, including views and small arrays', async () => {
    const session = await (await openCApiRuntime()).createSession(product(2), { device: 'cpu', threads: 1 });
    const within = Float32Array.of(9, 9, 1, 2, 3, 4, 9).subarray(2, 6);
    const outputs = outputsOf(2);
    const { data } = outputs.y;
    const call = session.bind(
      { x: { dtype: 'float32', shape: [2, 2], data: within }, w: given([5, 6, 7, 8], [2, 2]) },
      outputs,
    );
    await call();
    expect([...data]).toEqual([19, 22, 43, 50]);
    expect([...outputs.total.data]).toEqual([134]);
    await session.release();
  });

  it('is bit-identical to the JavaScript API', async () => {
    const inputs = { x: floats([70, 70], 1), w: floats([70, 70], 2) };
    const results = [];
    for (const runtime of [
      await openCApiRuntime(),
      createJavaScriptRuntime(await import('onnxruntime-node'), 'JavaScript'),
    ]) {
      const session = await runtime.createSession(product(70), { device: 'cpu', threads: 2 });
      const outputs = outputsOf(70);
      await session.bind(inputs, outputs)();
      await session.release();
      results.push(outputs);
    }
    expect(results[0]).toEqual(results[1]);
  });

  it('runs several calls at once on other threads; a release waits for them', async () => {
    const session = await (await openCApiRuntime()).createSession(product(512), { device: 'cpu', threads: 1 });
    const inputs = { x: floats([512, 512], 1), w: floats([512, 512], 2) };
    const order: string[] = [];
    const calls = [outputsOf(512), outputsOf(512)].map(async (outputs) => {
      await session.bind(inputs, outputs)();
      order.push('done');
      return outputs.total.data[0];
    });
    setImmediate(() => order.push('other work'));
    await session.release();
    order.push('released');
    const [a, b] = await Promise.all(calls);
    expect(order).toEqual(['other work', 'done', 'done', 'released']);
    expect(a).toBe(b);
    expect(a).not.toBe(0);
  });

  it("rejects with the runtime's message", async () => {
    const runtime = await openCApiRuntime();
    await expect(runtime.createSession(Uint8Array.of(1, 2, 3), { device: 'cpu' })).rejects.toThrow(/protobuf/i);
    await expect(runtime.createSession(product(2), { device: 'cuda' })).rejects.toMatchObject({
      code: 'DEVICE_UNUSABLE',
      message: expect.stringMatching(/cpu.*cuda/),
    });
    const session = await runtime.createSession(product(2), { device: 'cpu' });
    const wrongShape = session.bind({ x: floats([3, 2]), w: floats([2, 2]) }, outputsOf(2))();
    await expect(wrongShape).rejects.toMatchObject({
      code: 'RUNTIME_FAILED',
      message: expect.stringContaining('input: x'),
    });
    await expect(session.bind({ x: floats([2, 2]) }, outputsOf(2))()).rejects.toThrow(/Missing Input: w/);
    await session.release();
  });
});

it('falls back to the JavaScript API, and names the reason, if the C API is unavailable', async () => {
  vi.doMock('./runtime.js', () => ({ openCApiRuntime: () => Promise.reject(new Error('no library\nat all')) }));
  vi.resetModules();
  const { openRuntime } = await import('../open-runtime.js');
  const { name } = await openRuntime('cpu');
  expect(name).toMatch(/^onnxruntime-node 1\.\d+\.\d+, JavaScript API/);
  expect(name).toMatch(/\(.*: no library\)$/);
});

it('is the default runtime for the CPU', async () => {
  vi.doUnmock('./runtime.js');
  vi.resetModules();
  const { openOnnxEngine } = await import('../../engine.js');
  expect((await openOnnxEngine({ threads: 1 })).info['runtime']).toMatch(/ 1\.\d+\.\d+, C API$/);
});
