import { expect, it } from 'vitest';
import { openUpdateThreads } from './threads.js';
import { code, wasmModule } from './wasm-encoder.js';
import { wasmApi } from './wasm-api.js';

const memory = () => new wasmApi.Memory({ initial: 1, maximum: 2 ** 16, shared: true });

/** update(begin, end, address): writes 5 to each element. */
const lanes = [...code.get(2), ...code.get(0), ...code.addI32];
const body = code.loop([...lanes, ...code.f32(5), ...code.splat, ...code.store, ...code.upTo(0, 16, 1)]);
const module = () => wasmApi.compile(wasmModule(['i32', 'i32', 'i32'], [], body));

it.each([1, 2, 3, 8])('%i threads together process a whole vector', async (count) => {
  const shared = memory();
  const threads = await openUpdateThreads(await module(), shared, count);
  // 5 lanes and a part of another one, so that 8 threads are more than needed.
  await threads.run(4 * 21, [64]);
  const found = new Float32Array(shared.buffer, 0, 64);
  expect([...found]).toEqual(Array.from(found, (_, i) => (i >= 16 && i < 16 + 24 ? 5 : 0)));
  found.fill(0);
  await threads.run(16, [0]);
  expect([...found.subarray(0, 8)]).toEqual([5, 5, 5, 5, 0, 0, 0, 0]);
  threads.dispose();
});

it('rejects if a thread ends during a call, and in later calls', async () => {
  const threads = await openUpdateThreads(await module(), memory(), 2);
  await expect(threads.run(2 ** 20, [0])).rejects.toThrow('out of bounds');
  await expect(threads.run(32, [0])).rejects.toThrow('has ended');
});
