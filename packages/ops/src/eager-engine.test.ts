import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type Arrays, openEagerEngine, type EagerName, type NdArray, type Program } from './index.js';

const engine = await openEagerEngine('tfjs-cpu');

const floats = (data: number[], shape: number[] = [data.length]): NdArray => ({
  dtype: 'float32',
  shape,
  data: Float32Array.from(data),
});

/** w <- w - lr x w (elementwise); count <- count + 1; `fixed` is not returned. */
const step: Program = (state, { x, lr }) => ({
  state: {
    w: tf.sub(state['w']!, tf.mul(lr!, tf.mul(x!, state['w']!))),
    count: tf.add(state['count']!, tf.scalar(1, 'int32')),
  },
  outputs: { sum: tf.sum(state['w']!), fixed: state['fixed']!, positive: tf.greater(state['w']!, 0) },
});

const start = (): Arrays => ({
  w: floats([1, -2]),
  count: { dtype: 'int32', shape: [], data: Int32Array.of(0) },
  fixed: floats([7]),
});
const inputs: Arrays = { x: floats([2, 4]), lr: floats([0.25], []) };

const tensors = () => tf.memory().numTensors;

// Do not use a tfjs-node that the developer has built locally.
vi.stubEnv('DM_TFJS_NODE', undefined);
vi.stubEnv('DM_TFJS_NODE_GPU', undefined);

afterEach(() => {
  if (tf.getBackend() !== 'cpu') throw new Error(`the test left the backend ${tf.getBackend()} selected`);
});

describe('a program run eagerly', () => {
  test('updates its state, leaves entries that it does not return, and returns copies', async () => {
    const program = engine.compile(step);
    const handle = await program.load(start());
    const outputs = await program.run(handle, inputs);
    expect(outputs).toEqual({
      sum: floats([-1], []),
      fixed: floats([7]),
      positive: { dtype: 'bool', shape: [2], data: Uint8Array.of(1, 0) },
    });
    outputs['fixed']!.data[0] = 100;
    expect(await handle.read()).toEqual({
      w: floats([0.5, 0]),
      count: { dtype: 'int32', shape: [], data: Int32Array.of(1) },
      fixed: floats([7]),
    });
    handle.dispose();
  });

  test('neither keeps nor changes the arrays that it is given', async () => {
    const program = engine.compile((_state, { x }) => ({ state: { w: x! }, outputs: { x: x! } }));
    const w = floats([0, 0]);
    const handle = await program.load({ w });
    const x = floats([1, 2]);
    const outputs = await program.run(handle, { x });
    x.data[0] = 100;
    w.data[1] = 100;
    outputs['x']!.data[1] = 100;
    expect(await handle.read()).toEqual({ w: floats([1, 2]) });
    handle.dispose();
  });

  test('may return one tensor under several names', async () => {
    const program = engine.compile((state) => {
      const next = tf.add(state['a']!, 1);
      return { state: { a: next, b: next }, outputs: { next, old: state['a']! } };
    });
    const handle = await program.load({ a: floats([1]), b: floats([5]) });
    await program.run(handle, {});
    expect(await program.run(handle, {})).toEqual({ next: floats([3]), old: floats([2]) });
    await handle.write({ a: floats([9]) });
    expect(await handle.read()).toEqual({ a: floats([9]), b: floats([3]) });
    handle.dispose();
  });

  test('may swap state entries', async () => {
    const program = engine.compile(({ a, b }) => ({ state: { a: b!, b: a! }, outputs: {} }));
    const handle = await program.load({ a: floats([1]), b: floats([2]) });
    await program.run(handle, {});
    expect(await handle.read()).toEqual({ a: floats([2]), b: floats([1]) });
    handle.dispose();
  });

  test('does not change the state if an output named by commitIfFinite is not finite', async () => {
    const divide: Program = ({ w }, { by }) => {
      const next = tf.div(w!, by!);
      return { state: { w: next }, outputs: { sum: tf.sum(next) } };
    };
    const program = engine.compile(divide, { commitIfFinite: ['sum'] });
    const handle = await program.load({ w: floats([4, 8]) });
    await program.run(handle, { by: floats([0], []) });
    expect(await handle.read()).toEqual({ w: floats([4, 8]) });
    await program.run(handle, { by: floats([2], []) });
    expect(await handle.read()).toEqual({ w: floats([2, 4]) });
    handle.dispose();
  });

  test('changes entries in place', async () => {
    const program = engine.compile(({ a }) => ({ outputs: { a: a! } }));
    const handle = await program.load({ a: floats([1, 2]), b: floats([3]) });
    await handle.update(['a'], async (arrays) => {
      expect(Object.keys(arrays)).toEqual(['a']);
      await expect(handle.read()).rejects.toThrow(Error);
      arrays['a']!.data[1] = 7;
    });
    expect(await handle.read()).toEqual({ a: floats([1, 7]), b: floats([3]) });
    await expect(handle.update(['c'], () => undefined)).rejects.toThrow('"c"');
    handle.dispose();
  });

  test('does not change the state if the output named by commitIf is false', async () => {
    const halve: Program = ({ w }, { by }) => {
      const next = tf.div(w!, by!);
      return { state: { w: next }, outputs: { isFinite: tf.isFinite(tf.sum(next)), next } };
    };
    const program = engine.compile(halve, { commitIf: 'isFinite' });
    const before = tensors();
    const handle = await program.load({ w: floats([4, 8]) });
    await program.run(handle, { by: floats([2], []) });
    const refused = await program.run(handle, { by: floats([0], []) });
    expect([...refused['next']!.data]).toEqual([Infinity, Infinity]);
    expect(await handle.read()).toEqual({ w: floats([2, 4]) });
    expect(tensors()).toBe(before + 1);
    await program.run(handle, { by: floats([2], []) });
    expect(await handle.read()).toEqual({ w: floats([1, 2]) });

    const wrong = engine.compile(halve, { name: 'halve', commitIf: 'next' });
    await expect(wrong.run(handle, { by: floats([2], []) })).rejects.toThrowWith({
      type: RangeError,
      contains: ['halve: commitIf', '"next"', '"isFinite" bool []', '"next" float32 [2]'],
    });
    expect(await handle.read()).toEqual({ w: floats([1, 2]) });
    handle.dispose();
    expect(tensors()).toBe(before);
  });

  test('shares a handle with another program of the engine', async () => {
    const double = engine.compile(({ w }) => ({ state: { w: tf.mul(w!, 2) }, outputs: {} }));
    const show = engine.compile(({ w }) => ({ outputs: { w: w! } }));
    const handle = await double.load({ w: floats([3]) });
    await double.run(handle, {});
    expect(await show.run(handle, {})).toEqual({ w: floats([6]) });
    handle.dispose();
  });

  test('computes gradients, which importing this package registers', async () => {
    const program = engine.compile((_state, { x }) => ({
      outputs: { dx: tf.grad((t: tf.Tensor) => tf.sum(tf.square(t)))(x!) },
    }));
    const handle = await program.load({});
    expect(await program.run(handle, { x: floats([1, -3]) })).toEqual({ dx: floats([2, -6]) });
  });

  test('holds the same number of tensors after 20 runs', async () => {
    const program = engine.compile(step);
    const before = tensors();
    const handle = await program.load(start());
    const loaded = tensors();
    for (let i = 0; i < 20; i++) {
      await program.run(handle, inputs);
      await handle.read(['w']);
      await handle.write({ w: floats([1, 1]) });
      expect(tensors()).toBe(loaded);
    }
    handle.dispose();
    expect(tensors()).toBe(before);
  });

  test('frees the tensors of a run that failed, and keeps the state', async () => {
    const program = engine.compile((state, { x }) => {
      const w = tf.add(state['w']!, 1);
      if (x!.shape[0] === 3) throw new Error('NO');
      return { state: { w, fixed: tf.concat([w, w]) }, outputs: { w } };
    });
    const handle = await program.load({ w: floats([1]), fixed: floats([2]) });
    const loaded = tensors();
    await expect(program.run(handle, { x: floats([1, 2, 3]) })).rejects.toThrow('NO');
    await expect(program.run(handle, { x: floats([1]) })).rejects.toThrowWith({
      type: Error,
      contains: ['"fixed"', 'float32 [1]', 'float32 [2]'],
    });
    expect(tensors()).toBe(loaded);
    expect(await handle.read()).toEqual({ w: floats([1]), fixed: floats([2]) });
    handle.dispose();
  });

  test('runs on its own backend and restores the one that was selected', async () => {
    const wasm = await openEagerEngine('tfjs-wasm');
    expect(tf.getBackend()).toBe('cpu');
    const seen: string[] = [];
    const program = wasm.compile(({ w }) => {
      seen.push(tf.getBackend());
      return { state: { w: tf.mul(w!, 2) }, outputs: { w: w! } };
    });
    const handle = await program.load({ w: floats([1.5]) });
    const pending = program.run(handle, {});
    expect(tf.getBackend()).toBe('cpu');
    expect(await pending).toEqual({ w: floats([1.5]) });
    expect(await handle.read()).toEqual({ w: floats([3]) });
    expect(seen).toEqual(['wasm']);
    await wasm.dispose();
  });
});

describe('refused without changing the state:', () => {
  const run = async (program: Program, state: Arrays, given: Arrays) => {
    const compiled = engine.compile(program, { name: 'test step' });
    const handle = await compiled.load(state);
    try {
      return await compiled.run(handle, given);
    } finally {
      expect(await handle.read()).toEqual(state);
      handle.dispose();
    }
  };

  test.each<[title: string, type: typeof Error, contains: string[], Program, Arrays]>([
    ['a missing input', Error, ['test step', 'input "lr" (available: "x")'], step, { x: inputs['x']! }],
    [
      'reading an unknown state entry',
      Error,
      ['state "v" (available: "w", "count", "fixed")'],
      ({ v }) => ({ outputs: { v: tf.neg(v!) } }),
      {},
    ],
    [
      'returning an unknown state entry',
      Error,
      ['"v"', '"w", "count", "fixed"'],
      ({ w }) => ({ state: { v: w! }, outputs: {} }),
      {},
    ],
    [
      'another shape of a state entry',
      Error,
      ['test step: state "w"', 'float32 [2]', 'float32 [1, 2]'],
      ({ w }) => ({ state: { w: tf.reshape(w!, [1, 2]) }, outputs: {} }),
      {},
    ],
    [
      'another dtype of a state entry',
      Error,
      ['test step: state "w"', 'float32 [2]', 'int32 [2]'],
      ({ w }) => ({ state: { w: tf.cast(w!, 'int32') }, outputs: {} }),
      {},
    ],
    [
      'an output dtype that arrays do not have',
      TypeError,
      ['test step: output "c"', 'complex64'],
      ({ w }) => ({ outputs: { c: tf.complex(w!, w!) } }),
      {},
    ],
    [
      'an asynchronous program',
      TypeError,
      ['test step', 'synchronous'],
      (async () => ({ outputs: {} })) as unknown as Program,
      {},
    ],
    [
      'data of another array type',
      TypeError,
      ['input "x"', 'float32', 'Float32Array'],
      step,
      { ...inputs, x: { ...inputs['x']!, data: Int32Array.of(1, 2) } },
    ],
    [
      'another number of elements than the shape has',
      RangeError,
      ['input "x"', 'shape [3]', 'got 2'],
      step,
      { ...inputs, x: { ...inputs['x']!, shape: [3] } },
    ],
    [
      'a negative size',
      RangeError,
      ['input "x"', '[2, -1]'],
      step,
      { ...inputs, x: { ...inputs['x']!, shape: [2, -1] } },
    ],
    [
      'an unknown dtype',
      TypeError,
      ['input "x": dtype', 'float32', 'float64'],
      step,
      { ...inputs, x: { ...inputs['x']!, dtype: 'float64' as 'float32' } },
    ],
  ])('%s', async (_, type, contains, program, given) => {
    await expect(run(program, start(), given)).rejects.toThrowWith({ type, contains });
  });

  test('overlapping calls on one handle', async () => {
    const program = engine.compile(step);
    const handle = await program.load(start());
    const first = program.run(handle, inputs);
    const others = [program.run(handle, inputs), handle.read(), handle.write({})];
    const outcomes = await Promise.allSettled(others);
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({
        status: 'rejected',
        reason: { message: expect.stringContaining('still running') as string },
      });
    }
    await first;
    expect((await handle.read(['count']))['count']!.data[0]).toBe(1);
    handle.dispose();
  });

  test('disposing of a handle in use', async () => {
    const program = engine.compile(step);
    const handle = await program.load(start());
    const first = program.run(handle, inputs);
    expect(() => handle.dispose()).toThrow('dispose');
    await first;
    handle.dispose();
  });

  test('reading and writing unknown entries, or writing other shapes', async () => {
    const program = engine.compile(step);
    const handle = await program.load(start());
    await expect(handle.read(['w', 'm'])).rejects.toThrowWith({
      type: Error,
      contains: ['"m"', '"w", "count", "fixed"'],
    });
    await expect(handle.write({ m: floats([1]) })).rejects.toThrowWith({ type: Error, contains: '"m"' });
    await expect(handle.write({ fixed: floats([1]), w: floats([1, 2, 3]) })).rejects.toThrowWith({
      type: Error,
      contains: ['state "w"', 'float32 [2]', 'float32 [3]'],
    });
    await expect(handle.write({ w: { dtype: 'float32', shape: [2], data: new Float32Array(3) } })).rejects.toThrowWith({
      type: RangeError,
      contains: ['state "w"', 'shape [2]', 'got 3'],
    });
    expect(await handle.read()).toEqual(start());
    handle.dispose();
  });

  test('any call after dispose', async () => {
    const own = await openEagerEngine('tfjs-cpu');
    const program = own.compile(step, { name: 'step' });
    const [handle, other] = [await program.load(start()), await program.load(start())];
    handle.dispose();
    handle.dispose();
    const handleDisposed = { type: Error, contains: ['state handle', 'dispose()'] };
    await expect(handle.read()).rejects.toThrowWith(handleDisposed);
    await expect(handle.write({})).rejects.toThrowWith(handleDisposed);
    await expect(program.run(handle, inputs)).rejects.toThrowWith(handleDisposed);
    await program.dispose();
    const programDisposed = { type: Error, contains: ['step', 'program', 'dispose()'] };
    await expect(program.run(other, inputs)).rejects.toThrowWith(programDisposed);
    await expect(program.load({})).rejects.toThrowWith(programDisposed);
    expect(Object.keys(await other.read())).toEqual(['w', 'count', 'fixed']);
    const before = tensors();
    await own.dispose();
    expect(tensors()).toBe(before - 3);
    await expect(other.read()).rejects.toThrowWith(handleDisposed);
    expect(() => own.compile(step)).toThrowWith({ type: Error, contains: ['"tfjs-cpu"', 'dispose()'] });
  });

  test("another engine's handle", async () => {
    const other = await openEagerEngine('tfjs-cpu');
    const program = other.compile(step);
    const handle = await program.load({});
    await expect(engine.compile(step, { name: 'step' }).run(handle, {})).rejects.toThrowWith({
      type: Error,
      contains: ['step', 'another engine'],
    });
    await other.dispose();
  });

  test('loading an array whose data and shape are inconsistent', async () => {
    const program = engine.compile(step, { name: 'step' });
    const before = tensors();
    const bad = { ...start(), w: { ...floats([1, 2]), shape: [3] } };
    await expect(program.load(bad)).rejects.toThrowWith({
      type: RangeError,
      contains: ['step: state "w"', 'shape [3]', 'got 2'],
    });
    expect(tensors()).toBe(before);
  });
});

describe('an engine that cannot start', () => {
  test.each<[EagerName, string]>([
    ['tfjs-node', 'pnpm add --allow-build=@tensorflow/tfjs-node @tensorflow/tfjs-node'],
    ['tfjs-node-gpu', 'pnpm add --allow-build=@tensorflow/tfjs-node-gpu @tensorflow/tfjs-node-gpu'],
    ['tfjs-webgpu', 'npm install @tensorflow/tfjs-backend-webgpu'],
  ])(
    '%s, an optional peer that is not installed here: the error has the command to install it',
    async (name, command) => {
      await expect(openEagerEngine(name)).rejects.toThrowWith({ type: Error, contains: [`"${name}"`, command] });
    },
  );

  test('one whose package fails to load: the error has the cause', async () => {
    const load = () => Promise.reject(new Error('libtensorflow.so.2: cannot open shared object file'));
    await expect(openEagerEngine('tfjs-node', { load })).rejects.toThrowWith({
      type: Error,
      contains: ['"tfjs-node"', '@tensorflow/tfjs-node', 'libtensorflow.so.2'],
    });
  });

  test('one whose local package folder does not exist, or fails to load', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'dm-ops-'));
    writeFileSync(join(folder, 'package.json'), '{ "main": "main.cjs" }');
    writeFileSync(join(folder, 'main.cjs'), 'throw new Error("no addon for " + typeof require);');
    const none = join(folder, 'none');
    vi.stubEnv('DM_TFJS_NODE', none);
    await expect(openEagerEngine('tfjs-node')).rejects.toThrowWith({
      type: Error,
      contains: ['"tfjs-node"', `DM_TFJS_NODE=${none}`, 'Cannot find module'],
    });
    vi.stubEnv('DM_TFJS_NODE_GPU', folder);
    await expect(openEagerEngine('tfjs-node-gpu')).rejects.toThrowWith({
      type: Error,
      contains: ['"tfjs-node-gpu"', `DM_TFJS_NODE_GPU=${folder}`, 'no addon for function'],
    });
    vi.stubEnv('DM_TFJS_NODE', undefined);
    vi.stubEnv('DM_TFJS_NODE_GPU', undefined);
    rmSync(folder, { recursive: true });
  });

  test('one whose package registers no backend', async () => {
    await expect(openEagerEngine('tfjs-webgpu', { load: async () => undefined })).rejects.toThrowWith({
      type: Error,
      contains: ['"tfjs-webgpu"', '@tensorflow/tfjs-backend-webgpu', 'no supported device'],
    });
  });

  test('one whose backend fails to start does not change the selected backend', async () => {
    const load = async () => tf.registerBackend('webgpu', () => Promise.reject(new Error('no adapter')));
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined); // TF.js prints the cause
    await expect(openEagerEngine('tfjs-webgpu', { load })).rejects.toThrowWith({
      type: Error,
      contains: ['"tfjs-webgpu"', 'failed to start'],
    });
    expect(warn.mock.calls.flat().join(' ')).toContain('no adapter');
    warn.mockRestore();
    tf.removeBackend('webgpu');
    expect(tf.getBackend()).toBe('cpu');
    expect(await tf.scalar(3).data()).toEqual(Float32Array.of(3));
  });

  test('tfjs-node-gpu after tfjs-node: both register the TF.js backend "tensorflow", so only one can be loaded', async () => {
    class NodeBackend extends tf.KernelBackend {
      readonly isGPUPackage = false;
      readonly binding = { TF_Version: '2.9.1' };
      override dispose(): void {}
    }
    // As tfjs-node does on import: register, then select.
    const load = async () => {
      tf.registerBackend('tensorflow', () => new NodeBackend(), 3);
      await tf.setBackend('tensorflow');
    };
    const node = await openEagerEngine('tfjs-node', { load });
    expect([node.name, tf.getBackend()]).toEqual(['tfjs-node', 'cpu']);
    expect(node.info).toEqual({ tfjs: tf.version_core, package: '@tensorflow/tfjs-node', libtensorflow: '2.9.1' });
    await expect(openEagerEngine('tfjs-node-gpu')).rejects.toThrowWith({
      type: Error,
      contains: ['"tfjs-node-gpu"', 'already loaded @tensorflow/tfjs-node'],
    });
    tf.removeBackend('tensorflow');
  });

  test('an unknown name', async () => {
    await expect(openEagerEngine('tensorflow' as EagerName)).rejects.toThrowWith({
      type: RangeError,
      contains: ['"tensorflow"', 'tfjs-cpu, tfjs-wasm, tfjs-webgpu, tfjs-node, tfjs-node-gpu'],
    });
  });

  test('tfjs-node loads on Node 23 and later, which lack util.isNullOrUndefined', async () => {
    const { default: util } = await import('node:util');
    const own = Object.getOwnPropertyDescriptor(util, 'isNullOrUndefined');
    Reflect.deleteProperty(util, 'isNullOrUndefined');
    const seen: unknown[] = [];
    const load = async () => {
      const { isNullOrUndefined } = util as unknown as { isNullOrUndefined: (value: unknown) => boolean };
      seen.push([null, undefined, 0, ''].map((value) => isNullOrUndefined(value)));
      throw new Error('enough');
    };
    await expect(openEagerEngine('tfjs-node', { load })).rejects.toThrow('enough');
    if (own) Object.defineProperty(util, 'isNullOrUndefined', own);
    expect(seen).toEqual([[true, true, false, false]]);
  });
});
