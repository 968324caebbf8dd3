import { type Arrays, openEagerEngine, flatLayout, type NdArray, type Program, splitFlat } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it, vi } from 'vitest';
import type { CompilerOptions } from '../compile.js';
import { openOnnxEngine } from '../engine.js';
import { EngineError } from '../errors.js';
import type { Compilation } from '../inspect/observer.js';
import { openCApiRuntime } from '../runtime/c-api/runtime.js';
import type { Runtime, RuntimeSession } from '../runtime/runtime.js';
import { floats, given } from '../testing.js';
import { SharedMemory } from '../update/shared-memory.js';
import type { openUpdateThreads } from '../update/threads.js';
import { HostExecution } from './host-execution.js';
import { OnnxStateHandle } from './state.js';

const threads = vi.hoisted(() => ({ fail: false }));
vi.mock('../update/threads.js', async (original) => {
  const { openUpdateThreads: startReal } = await original<{ openUpdateThreads: typeof openUpdateThreads }>();
  const start: typeof openUpdateThreads = async (...args) => {
    const real = await startReal(...args);
    return { ...real, run: (...work) => (threads.fail ? Promise.reject(new Error('no thread')) : real.run(...work)) };
  };
  return { openUpdateThreads: start };
});

// Long enough to be split before its update.
const layout = flatLayout([
  { name: 'w', shape: [600, 1000], group: 'matrix' },
  { name: 'b', shape: [1000], group: 'vector' },
]);

/** Compares long arrays; `toEqual` takes a second for each. */
const bits = ({ data }: NdArray) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);
function expectSame(found: Arrays, expected: Arrays) {
  for (const [name, array] of Object.entries(expected)) {
    expect(Buffer.compare(bits(found[name]!), bits(array)), name).toBe(0);
  }
}

/** SGD with momentum and EMA on one layer. `scale` multiplies the loss, so that the gradient can become infinite. */
const step: Program = ({ params, m, ema }, { x, rate, scale }) => {
  const loss = (p: tf.Tensor) => {
    const { w, b } = splitFlat(p, layout);
    return tf.mul<tf.Scalar>(tf.sum(tf.tanh(tf.add(tf.matMul(x!, w!), b!))), scale!);
  };
  const grad = tf.grad(loss)(params!);
  const norm = tf.sqrt(tf.sum(tf.square(grad)));
  const nextM = tf.add(tf.mul(m!, 0.9), grad);
  const next = tf.sub(params!, tf.mul(nextM, rate!));
  return {
    state: { params: next, m: nextM, ema: tf.add(ema!, tf.mul(tf.sub(next, ema!), 0.1)) },
    outputs: { norm, isFinite: tf.isFinite(norm) },
  };
};
const vector = (seed: number) => floats([layout.size], seed, 0.05);
const start = { params: vector(1), m: vector(2), ema: vector(3) };

const batch = (scale = 1) => ({ x: floats([2, 600], 4), rate: given([0.01], []), scale: given([scale], []) });

describe('a step that is split before its update', () => {
  it('agrees with the engine tfjs-cpu, and keeps the state bit-identical if a run is not committed', async () => {
    const seen: Compilation[] = [];
    const onnx = await openOnnxEngine({
      threads: 2,
      observer: { compiled: (compilation) => void seen.push(compilation) },
    });
    const results: Arrays[] = [];
    for (const engine of [onnx, await openEagerEngine('tfjs-cpu')]) {
      const program = engine.compile(step, { name: 'step', commitIf: 'isFinite' });
      const handle = await program.load(start);
      await program.run(handle, batch());
      const { norm } = await program.run(handle, batch());
      const before = await handle.read();
      const refused = await program.run(handle, batch(Infinity));
      expect(refused['isFinite']!.data[0]).toBe(0);
      expectSame(await handle.read(), before);
      await program.run(handle, batch());
      results.push({ norm: norm!, ...(await handle.read()) });
      await engine.dispose();
    }
    expect(seen.map(({ name }) => name)).toEqual(['step', 'step, update']);
    const [found, expected] = results as [Arrays, Arrays];
    // The engine tfjs-cpu adds 601 000 squares one by one, in float32.
    expect(found).toBeAllClose(expected, { rtol: 1e-4, relativeTo: 'norm' });
  });

  it('works on state whose buffers another program has swapped, and on two handles in turn', async () => {
    const engine = await openOnnxEngine({ threads: 1 });
    const program = engine.compile(step);
    const swap = engine.compile(({ m, ema }) => ({ state: { m: ema!, ema: m! }, outputs: {} }));
    const [handle, other] = [await program.load(start), await program.load({ ...start, m: start.ema, ema: start.m })];
    await program.run(handle, batch());
    await program.run(other, batch());
    await swap.run(handle, {});
    await program.run(handle, batch());
    await swap.run(other, {});
    await swap.run(other, {});
    const straight = await program.load(await handle.read());
    for (const each of [handle, straight]) await program.run(each, batch());
    expectSame(await handle.read(), await straight.read());
    const [{ params }, { params: theirs }] = [await handle.read(['params']), await other.read(['params'])];
    expect(Buffer.compare(bits(params!), bits(theirs!))).not.toBe(0);
    await engine.dispose();
  });

  it('reads a gradient that is an input, and one of the programs before it, in a memory that has room for only one', async () => {
    const adds: Program = ({ m }, { x, scale }) => ({ state: { m: tf.add(m!, tf.mul(x!, scale!)) }, outputs: {} });
    const descend: Program = ({ params, ema }, { x, rate }) => {
      const next = tf.sub(params!, tf.mul(x!, rate!));
      return {
        state: { params: next, ema: tf.add(ema!, tf.mul(tf.sub(next, ema!), 0.1)) },
        outputs: { norm: tf.sum(tf.square(x!)) },
      };
    };
    const seen: string[] = [];
    const onnx = await openOnnxEngine({ threads: 2, observer: { compiled: ({ name }) => void seen.push(name) } });
    const gradient = { x: vector(5), scale: given([0.5], []), rate: given([0.1], []) };
    const results: Arrays[] = [];
    for (const engine of [onnx, await openEagerEngine('tfjs-cpu')]) {
      const [first, second, third] = [adds, descend, step].map((program, i) =>
        engine.compile(program, { name: `${i}` }),
      );
      let handle = await first!.load(start);
      if (handle instanceof OnnxStateHandle) {
        const pages = Math.ceil((4 * 4 * layout.size) / 2 ** 16) + 1;
        handle = new OnnxStateHandle(handle.owner, start, new SharedMemory(pages));
      }
      await first!.run(handle, { x: gradient.x, scale: gradient.scale });
      await second!.run(handle, { x: gradient.x, rate: gradient.rate });
      await third!.run(handle, batch());
      results.push(await handle.read());
      await engine.dispose();
    }
    expect(seen).toEqual(['0', '1', '1, update', '2', '2, update']);
    const [found, expected] = results as [Arrays, Arrays];
    expect(found).toBeAllClose(expected, { rtol: 1e-4, relativeTo: 'norm' });
  });

  it('reads an input that no output needs', async () => {
    const apply: Program = ({ params }, { x, rate }) => ({
      state: { params: tf.sub(params!, tf.mul(x!, rate!)), m: x! },
      outputs: { twice: tf.mul(rate!, 2) },
    });
    const engine = await openOnnxEngine({ threads: 2 });
    const program = engine.compile(apply);
    const handle = await program.load(start);
    const inputs = { x: vector(5), rate: given([0.1], []) };
    const { twice } = await program.run(handle, inputs);
    expect(twice!.data[0]).toBeCloseTo(0.2, 6);
    const { params, m } = await handle.read();
    expectSame({ m: m! }, { m: inputs.x });
    const expected = start.params.data.map((value, i) =>
      Math.fround(value - Math.fround(inputs.x.data[i]! * Math.fround(0.1))),
    );
    expect(Buffer.compare(bits(params!), Buffer.from(Float32Array.from(expected).buffer))).toBe(0);
    await engine.dispose();
  });

  it('ends before the program is disposed of', async () => {
    const engine = await openOnnxEngine({ threads: 2 });
    const [program, other] = [engine.compile(step), engine.compile(step)];
    const [handle, same] = [await program.load(start), await other.load(start)];
    await other.run(same, batch());
    const running = program.run(handle, batch());
    await program.dispose();
    await running;
    expectSame(await handle.read(), await same.read());
    await expect(program.run(handle, batch())).rejects.toMatchObject({
      code: 'DISPOSED',
      message: expect.stringContaining('program'),
    });
    await engine.dispose();
  });

  it('reports that the state is lost if a thread ends during the update; a runtime error before it keeps the state', async () => {
    const real = await openCApiRuntime();
    let [calls, failing] = [0, 0];
    const runtime: Runtime = {
      name: 'fails when told to',
      sharedArrays: true,
      async createSession(model, settings) {
        const session = await real.createSession(model, settings);
        const bind: typeof session.bind = (inputs, outputs) => {
          const call = session.bind(inputs, outputs);
          return () => (++calls === failing ? Promise.reject(new Error('no memory')) : call());
        };
        return { ...session, bind };
      },
    };
    const engine = await openOnnxEngine({ threads: 1, convolutions: 'plain', runtime });
    const program = engine.compile(step, { name: 'step' });
    const handle = await program.load(start);
    failing = 1;
    await expect(program.run(handle, batch())).rejects.toThrow(/^no memory$/);
    expectSame(await handle.read(), start);
    [failing, threads.fail] = [0, true];
    const lost = { type: EngineError, code: 'STATE_LOST', contains: ['step', '(no thread)', 'dispose'] };
    await expect(program.run(handle, batch())).rejects.toThrowWith(lost);
    await expect(program.run(handle, batch())).rejects.toThrowWith(lost);
    await expect(handle.read()).rejects.toThrowWith(lost);
    handle.dispose();
    threads.fail = false;
    const again = await program.load(start);
    await program.run(again, batch());
    await engine.dispose();
  });
});

describe('a program compiled with frozenState', () => {
  const apply: Program = ({ params }, { x }) => {
    const { w, b } = splitFlat(params!, layout);
    return { outputs: { y: tf.tanh(tf.add(tf.matMul(x!, w!), b!)) } };
  };
  const rows = (count: number) => ({ x: floats([count, 600], count) });

  /** An engine with a runtime that counts its sessions, and the sizes of the models that they were created from. */
  async function countingEngine() {
    const real = await openCApiRuntime();
    const seen = { bytes: [] as number[], released: 0, failing: false };
    const runtime: Runtime = {
      name: 'counts sessions',
      sharedArrays: true,
      async createSession(model, settings) {
        const session = await real.createSession(model, settings);
        seen.bytes.push(model.length);
        let isReleased = false;
        const release = async () => {
          if (isReleased) throw new Error('released twice');
          isReleased = true;
          if (seen.failing) throw new Error('not released');
          await session.release();
          seen.released++;
        };
        return { ...session, release };
      },
    };
    return { seen, engine: await openOnnxEngine({ threads: 1, convolutions: 'plain', runtime }) };
  }

  it('is compiled with the values once per state and signature, and again after the state has changed', async () => {
    const { seen, engine } = await countingEngine();
    const program = engine.compile(apply, { frozenState: true });
    const training = engine.compile(step);
    const handle = await program.load(start);
    const y = async (count = 2) => (await program.run(handle, rows(count)))['y'];
    const first = await y();
    const loose = engine.compile(apply);
    expect({ y: first }).toBeAllClose(await loose.run(handle, rows(2)), { rtol: 1e-6, relativeTo: 'norm' });
    const [frozen, bound] = seen.bytes;
    expect(bound).toBeLessThan(2000);
    expect(frozen).toBeGreaterThan(4 * layout.size);
    expect(frozen).toBeLessThan(4 * layout.size + 2000); // each value once

    await y();
    await y(3);
    await y();
    expect(seen.bytes).toHaveLength(3);
    expect(seen.released).toBe(0);

    await training.run(handle, batch());
    const trained = await y();
    expect({ y: trained }).toBeAllClose(await loose.run(handle, rows(2)), { rtol: 1e-6, relativeTo: 'norm' });
    expect(trained).not.toEqual(first);
    expect([seen.bytes.length, seen.released]).toEqual([5, 2]); // the training step's, and again that of two rows

    await handle.write({ params: start.params });
    expect(await y()).toEqual(first);
    expect([seen.bytes.length, seen.released]).toEqual([6, 3]);
    await y();
    expect(seen.bytes).toHaveLength(6);
    await engine.dispose();
    expect(seen.released).toBe(6);
  });

  it('keeps a session for each state until the state or the program is disposed of', async () => {
    const { seen, engine } = await countingEngine();
    const program = engine.compile(apply, { frozenState: true });
    const [a, b] = [await program.load(start), await program.load({ ...start, params: vector(9) })];
    const [ofA, ofB] = [await program.run(a, rows(2)), await program.run(b, rows(2))];
    expect(ofA).not.toEqual(ofB);
    expect(await program.run(a, rows(2))).toEqual(ofA);
    expect([seen.bytes.length, seen.released]).toEqual([2, 0]);
    a.dispose();
    expect(await program.run(b, rows(2))).toEqual(ofB);
    expect([seen.bytes.length, seen.released]).toEqual([2, 1]);
    await program.dispose();
    expect(seen.released).toBe(2);
    b.dispose();
    await engine.dispose();
    expect(seen.released).toBe(2);
  });

  it('releases each session once, whenever the program and the state are disposed of', async () => {
    for (let turns = 0; turns < 12; turns++) {
      const { seen, engine } = await countingEngine();
      const program = engine.compile(apply, { frozenState: true });
      const handle = await program.load(start);
      await program.run(handle, rows(1));
      const disposed = [program.dispose(), program.dispose()];
      for (let i = 0; i < turns; i++) await Promise.resolve();
      handle.dispose();
      await Promise.all(disposed);
      await engine.dispose();
      expect(seen.released).toBe(1);
    }
  });

  it('reports a session that cannot be released when the program is disposed of', async () => {
    const { seen, engine } = await countingEngine();
    const program = engine.compile(apply, { frozenState: true });
    const [a, b] = [await program.load(start), await program.load(start)];
    await program.run(a, rows(1));
    await program.run(b, rows(1));
    seen.failing = true;
    a.dispose();
    await new Promise(setImmediate);
    seen.failing = false;
    await expect(program.dispose()).rejects.toThrow(/^not released$/);
    expect(seen.released).toBe(1);
  });

  it('may have no inputs, return its state, and have a state of any type, also an empty one', async () => {
    const state = {
      x: floats([2, 3]),
      n: { dtype: 'int32', shape: [2], data: Int32Array.of(3, -4) } as const,
      is: { dtype: 'bool', shape: [3], data: Uint8Array.of(1, 0, 1) } as const,
      none: floats([0]),
    };
    const program: Program = ({ x, n, is, none }) => ({
      outputs: {
        x: x!,
        twice: tf.add(n!, n!),
        not: tf.logicalNot(is!),
        chosen: tf.where(is!, x!, tf.neg(x!)),
        none: none!,
      },
    });
    const results: Arrays[] = [];
    for (const engine of [await openOnnxEngine({ threads: 1 }), await openEagerEngine('tfjs-cpu')]) {
      const compiled = engine.compile(program, { frozenState: true });
      results.push(await compiled.run(await compiled.load(state), {}));
      await engine.dispose();
    }
    expect(results[0]).toEqual(results[1]);
    expect(results[0]!['twice']!.data).toEqual(Int32Array.of(6, -8));
  });

  it('has its values compiled in on the CPU only', () => {
    const valuesOn = (target: 'cpu' | 'gpu') =>
      new HostExecution({}, { lower: { target } } as CompilerOptions<RuntimeSession>, 1).valuesOf;
    expect(valuesOn('cpu')).toBeDefined();
    expect(valuesOn('gpu')).toBeUndefined();
  });

  it('keeps the state and its specializations if a run or a write fails', async () => {
    const { seen, engine } = await countingEngine();
    const program = engine.compile(apply, { frozenState: true });
    const handle = await program.load(start);
    const expected = await program.run(handle, rows(2));
    await expect(program.run(handle, {})).rejects.toThrow(/matMul/);
    await expect(handle.write({ params: given([1]) })).rejects.toMatchObject({ code: 'STATE_MISMATCH' });
    expect(await program.run(handle, rows(2))).toEqual(expected);
    expect([seen.bytes.length, seen.released]).toEqual([1, 0]);
    await engine.dispose();
  });
});
