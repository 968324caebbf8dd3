/** State in a device's memory: the computer's own everywhere, a software GPU's if there is one. */
import type { Engine, Program } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { openOnnxEngine } from '../engine.js';
import { EngineError } from '../errors.js';
import type { ProgramRun } from '../inspect/observer.js';
import { openDeviceRuntime } from '../runtime/c-api/device.js';
import type { Device } from '../runtime/runtime.js';
import { skipLoudly } from '../runtime/testing/index.js';
import { given } from '../testing.js';

const size = 2 ** 17;
const ones = () => given(Array<number>(size).fill(1), [size]);

/** w <- w + m, m <- m / by; counts unless the sum of m is not finite. */
const step: Program = ({ w, m }, { by }) => {
  const next = tf.div(m!, by!);
  return { state: { w: tf.add(w!, m!), m: next }, outputs: { sum: tf.sum(next) } };
};

const runs: ProgramRun[] = [];

async function open(device: Device): Promise<Engine> {
  const runtime = await openDeviceRuntime(device);
  return openOnnxEngine({ device, threads: 1, runtime, observer: { ran: (run) => void runs.push(run) } });
}

describe.each(['cpu', 'webgpu'] as const)('the memory of %s', (device) => {
  let engine: Engine | undefined;
  let reason = '';
  beforeAll(async () => {
    try {
      engine = await open(device);
    } catch (error) {
      if (device === 'cpu') throw error;
      reason = (error as Error).message;
    }
  });
  afterAll(() => engine?.dispose());

  const onEngine =
    (test: (engine: Engine) => Promise<void>) =>
    async ({ skip }: TestContext) => {
      if (engine === undefined) return skipLoudly(skip, reason);
      await test(engine);
    };

  it(
    'keeps the state, of which a step copies nothing',
    onEngine(async (own) => {
      const program = own.compile(step, { name: 'step', commitIfFinite: ['sum'] });
      const state = await program.load({ w: ones(), m: ones() });
      const sums: number[] = [];
      for (let i = 0; i < 3; i++) {
        const { sum } = await program.run(state, { by: given([2], []) });
        sums.push(sum!.data[0]!);
      }
      expect(sums).toEqual([size / 2, size / 4, size / 8]);
      expect(runs.at(-1)).toMatchObject({ name: 'step', copiedBytes: 8, updateMs: 0 });
      const { w } = await state.read(['w']);
      expect([w!.data[0], w!.data[size - 1]]).toEqual([2.75, 2.75]);
      state.dispose();
      await program.dispose();
    }),
  );

  it(
    'keeps the old state if a step does not count',
    onEngine(async (own) => {
      const program = own.compile(step, { commitIfFinite: ['sum'] });
      const state = await program.load({ w: ones(), m: ones() });
      await program.run(state, { by: given([0], []) });
      const { w, m } = await state.read();
      expect([w!.data[1], m!.data[1]]).toEqual([1, 1]);
      await program.run(state, { by: given([2], []) });
      expect((await state.read(['m']))['m']!.data[1]).toBe(0.5);
      state.dispose();
      await program.dispose();
    }),
  );

  it(
    'is read, written, and changed in place by name',
    onEngine(async (own) => {
      const program = own.compile(step);
      const state = await program.load({ w: ones(), m: ones() });
      await state.write({
        w: given(
          [...ones().data].map((value) => value * 3),
          [size],
        ),
      });
      await state.update(['w'], async ({ w, ...others }) => {
        expect(others).toEqual({});
        await expect(program.run(state, { by: given([1], []) })).rejects.toMatchObject({ code: 'STATE_BUSY' });
        w!.data[5] = 9;
      });
      await program.run(state, { by: given([1], []) });
      const into = { w: ones() };
      const { w } = await state.read(['w'], into);
      expect(w).toBe(into.w);
      expect([w!.data[4], w!.data[5]]).toEqual([4, 10]);
      await expect(state.update(['x'], () => undefined)).rejects.toMatchObject({ code: 'STATE_MISMATCH' });
      await expect(state.write({ w: given([1]) })).rejects.toMatchObject({ code: 'STATE_MISMATCH' });
      state.dispose();
      await expect(state.read()).rejects.toMatchObject({ code: 'DISPOSED' });
      await program.dispose();
    }),
  );

  it(
    'is not disturbed by calls at the same time',
    onEngine(async (own) => {
      const programs = [0, 1, 2].map(() => own.compile(step));
      const states = await Promise.all(programs.map((program) => program.load({ w: ones(), m: ones() })));
      await Promise.all(
        programs.map(async (program, i) => {
          for (let j = 0; j < 3; j++) await program.run(states[i]!, { by: given([2], []) });
        }),
      );
      const reads = await Promise.all(states.map((state) => state.read(['w'])));
      expect(reads.map(({ w }) => w!.data[7])).toEqual([2.75, 2.75, 2.75]);
      for (const state of states) state.dispose();
      await Promise.all(programs.map((program) => program.dispose()));
    }),
  );

  // WebGPU clamps the index.
  it.runIf(device === 'cpu')(
    'says that the device failed, and keeps the state',
    onEngine(async (own) => {
      const program = own.compile(({ w }, { at }) => ({
        state: { w: tf.add(w!, 1) },
        outputs: { taken: tf.gather(w!, at!) },
      }));
      const state = await program.load({ w: ones() });
      const at = (index: number) => ({ at: { dtype: 'int32' as const, shape: [1], data: Int32Array.of(index) } });
      await expect(program.run(state, at(size))).rejects.toThrowWith({
        type: EngineError,
        code: 'DEVICE_FAILED',
        contains: [device, 'checkpoint'],
      });
      expect((await program.run(state, at(3)))['taken']!.data[0]).toBe(1);
      expect((await state.read())['w']!.data[3]).toBe(2);
      state.dispose();
      await program.dispose();
    }),
  );

  // The computer's own memory has no such limit.
  it.runIf(device === 'webgpu')(
    'refuses a vector that it cannot hold, with its size and a size that works',
    onEngine(async () => {
      const memory = await (await openDeviceRuntime(device)).openDevice(device);
      await expect(memory.allocate({ dtype: 'float32', shape: [2 ** 29] })).rejects.toThrowWith({
        type: EngineError,
        code: 'MEMORY_EXHAUSTED',
        contains: ['2048.0 MiB', 'MiB works', device],
      });
      await memory.release();
    }),
  );

  it(
    'is freed with the engine, also if nothing else was, and can be opened again',
    onEngine(async () => {
      for (let i = 0; i < (device === 'cpu' ? 50 : 3); i++) {
        const other = await open(device);
        const program = other.compile(step);
        const state = await program.load({ w: ones(), m: ones() });
        await program.run(state, { by: given([2], []) });
        await other.dispose();
        await expect(program.run(state, { by: given([2], []) })).rejects.toMatchObject({ code: 'DISPOSED' });
        await expect(state.read()).rejects.toMatchObject({ code: 'DISPOSED' });
        state.dispose();
      }
    }),
  );
});
