import { expect, it, vi } from 'vitest';
import { OnnxStateHandle } from '../execute/state.js';
import { floats } from '../testing.js';
import { isShareable, MIN_SHARED_LENGTH, SharedMemory } from './shared-memory.js';
import { wasmApi } from './wasm-api.js';

const long = { dtype: 'float32', shape: [MIN_SHARED_LENGTH + 1] } as const;

it('stores only long vectors, zero-initialized, consecutive and aligned to cache lines', () => {
  const shared = new SharedMemory();
  const [first, second] = [shared.empty(long)!, shared.empty(long)!];
  expect(first.data.length).toBe(MIN_SHARED_LENGTH + 1);
  expect(second.data.byteOffset).toBe(4 * MIN_SHARED_LENGTH + 64);
  first.data.fill(1);
  expect(second.data.every((value) => value === 0)).toBe(true);
  // The memory has grown since the first vector was created, which is still in it.
  expect([shared.has(first), shared.has(second), shared.has(floats([3]))]).toEqual([true, true, false]);
  expect(shared.empty({ ...long, shape: [MIN_SHARED_LENGTH - 1] })).toBeUndefined();
  expect(shared.empty({ ...long, shape: [2, MIN_SHARED_LENGTH] })).toBeUndefined();
  expect(shared.empty({ ...long, dtype: 'int32' })).toBeUndefined();
});

it('is shareable if the long vectors and a gradient fit into 4 GiB', () => {
  const vectors = (count: number, length: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`v${i}`, { ...long, shape: [length] }]));
  expect(isShareable(vectors(4, MIN_SHARED_LENGTH))).toBe(true);
  expect(isShareable(vectors(4, MIN_SHARED_LENGTH - 1))).toBe(false);
  // DiT-B with AdamW and an EMA, and the longest vectors that fit.
  expect(isShareable(vectors(4, 130_376_512))).toBe(true);
  expect(isShareable(vectors(4, 214_748_352))).toBe(true);
  expect(isShareable(vectors(4, 214_748_353))).toBe(false);
  expect(isShareable({})).toBe(false);
});

it('does not move state: values that a run wrote elsewhere, because the memory was full, are copied back', () => {
  const pages = (4 * MIN_SHARED_LENGTH) / 2 ** 16 + 1;
  const shared = new SharedMemory(pages);
  const value = floats([MIN_SHARED_LENGTH], 3);
  const state = new OnnxStateHandle({}, { x: value }, shared);
  const { data } = state.current('x');
  expect(data).toEqual(value.data);
  expect(shared.has(state.current('x'))).toBe(true);
  const next = state.target('x');
  expect(shared.has(next)).toBe(false);
  next.data.fill(7);
  state.swap('x');
  expect(state.current('x').data).toBe(data);
  expect(data.every((element) => element === 7)).toBe(true);
  expect(state.position).toBe('0');
});

it('names possible reasons if the system cannot reserve address space', () => {
  const memory = vi.spyOn(wasmApi, 'Memory').mockImplementation(function () {
    throw new RangeError('could not allocate memory');
  });
  expect(() => new SharedMemory()).toThrow(
    expect.objectContaining({
      code: 'MEMORY_EXHAUSTED',
      message: expect.stringMatching(/could not allocate .*ulimit/),
    }),
  );
  memory.mockRestore();
});
