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

// Nothing here is about a tfjs-node that the person who runs the tests has built.
vi.stubEnv('DM_TFJS_NODE', undefined);
vi.stubEnv('DM_TFJS_NODE_GPU', undefined);

afterEach(() => {
  if (tf.getBackend() !== 'cpu') throw new Error(`the test left the backend ${tf.getBackend()} selected`);
});

describe('a program run eagerly', () => {
  test('updates its state, leaves what it does not return, and hands out copies', async () => {
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

  test('neither keeps the arrays that it was given nor changes them', async () => {
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

  test('leaves the state as it was after a run that does not count', async () => {
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
    await expect(wrong.run(handle, { by: floats([2], []) })).rejects.toThrow(
      'halve: commitIf names "next", which must be a scalar output; there is "isFinite" bool [], "next" float32 [2]',
    );
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

  test('takes gradients: importing this package registered them', async () => {
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

  test('holds no tensor of a run that failed, and keeps the state', async () => {
    const program = engine.compile((state, { x }) => {
      const w = tf.add(state['w']!, 1);
      if (x!.shape[0] === 3) throw new Error('the program says no');
      return { state: { w, fixed: tf.concat([w, w]) }, outputs: { w } };
    });
    const handle = await program.load({ w: floats([1]), fixed: floats([2]) });
    const loaded = tensors();
    await expect(program.run(handle, { x: floats([1, 2, 3]) })).rejects.toThrow('the program says no');
    await expect(program.run(handle, { x: floats([1]) })).rejects.toThrow(
      'state "fixed" is float32 [1], returned was float32 [2]',
    );
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

describe('refused, with the state as it was:', () => {
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

  test.each<[string, Program, Arrays]>([
    ['test step: failed after it asked for the input "lr", of which there is "x"', step, { x: inputs['x']! }],
    ['the state "v", of which there is "w", "count", "fixed"', ({ v }) => ({ outputs: { v: tf.neg(v!) } }), {}],
    ['no state "v"; there is "w", "count", "fixed"', ({ w }) => ({ state: { v: w! }, outputs: {} }), {}],
    [
      'state "w" is float32 [2], returned was float32 [1, 2]',
      ({ w }) => ({ state: { w: tf.reshape(w!, [1, 2]) }, outputs: {} }),
      {},
    ],
    [
      'state "w" is float32 [2], returned was int32 [2]',
      ({ w }) => ({ state: { w: tf.cast(w!, 'int32') }, outputs: {} }),
      {},
    ],
    ['output "c" is complex64, which cannot leave an engine', ({ w }) => ({ outputs: { c: tf.complex(w!, w!) } }), {}],
    ['a program must be synchronous', (async () => ({ outputs: {} })) as unknown as Program, {}],
    [
      'input "x": float32 data must be a Float32Array',
      step,
      { ...inputs, x: { ...inputs['x']!, data: Int32Array.of(1, 2) } },
    ],
    [
      'input "x": 2 elements do not fill the shape [3], 3 would',
      step,
      { ...inputs, x: { ...inputs['x']!, shape: [3] } },
    ],
    ['input "x": the shape [2, -1]', step, { ...inputs, x: { ...inputs['x']!, shape: [2, -1] } }],
    [
      'input "x": dtype must be float32, int32 or bool, got float64',
      step,
      { ...inputs, x: { ...inputs['x']!, dtype: 'float64' as 'float32' } },
    ],
  ])('%s', async (message, program, given) => {
    await expect(run(program, start(), given)).rejects.toThrow(message);
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
    expect(() => handle.dispose()).toThrow('cannot be disposed of');
    await first;
    handle.dispose();
  });

  test('reading and writing what is not there or does not fit', async () => {
    const program = engine.compile(step);
    const handle = await program.load(start());
    await expect(handle.read(['w', 'm'])).rejects.toThrow('no state "m"; there is "w", "count", "fixed"');
    await expect(handle.write({ m: floats([1]) })).rejects.toThrow('no state "m"');
    await expect(handle.write({ fixed: floats([1]), w: floats([1, 2, 3]) })).rejects.toThrow(
      'state "w" is float32 [2]; float32 [3] cannot be written to it',
    );
    await expect(handle.write({ w: { dtype: 'float32', shape: [2], data: new Float32Array(3) } })).rejects.toThrow(
      'state "w": 3 elements do not fill the shape [2]',
    );
    expect(await handle.read()).toEqual(start());
    handle.dispose();
  });

  test('anything after dispose', async () => {
    const own = await openEagerEngine('tfjs-cpu');
    const program = own.compile(step, { name: 'step' });
    const [handle, other] = [await program.load(start()), await program.load(start())];
    handle.dispose();
    handle.dispose();
    await expect(handle.read()).rejects.toThrow('this state handle has been disposed of');
    await expect(handle.write({})).rejects.toThrow('this state handle has been disposed of');
    await expect(program.run(handle, inputs)).rejects.toThrow('this state handle has been disposed of');
    await program.dispose();
    await expect(program.run(other, inputs)).rejects.toThrow('step: this program has been disposed of');
    await expect(program.load({})).rejects.toThrow('step: this program has been disposed of');
    expect(Object.keys(await other.read())).toEqual(['w', 'count', 'fixed']);
    const before = tensors();
    await own.dispose();
    expect(tensors()).toBe(before - 3);
    await expect(other.read()).rejects.toThrow('this state handle has been disposed of');
    expect(() => own.compile(step)).toThrow('the engine "tfjs-cpu" has been disposed of');
  });

  test("another engine's handle", async () => {
    const other = await openEagerEngine('tfjs-cpu');
    const program = other.compile(step);
    const handle = await program.load({});
    await expect(engine.compile(step, { name: 'step' }).run(handle, {})).rejects.toThrow(
      'step: the state handle belongs to another engine',
    );
    await other.dispose();
  });

  test('arrays to load whose parts disagree', async () => {
    const program = engine.compile(step, { name: 'step' });
    const before = tensors();
    const bad = { ...start(), w: { ...floats([1, 2]), shape: [3] } };
    await expect(program.load(bad)).rejects.toThrow('step: state "w": 2 elements do not fill the shape [3], 3 would');
    expect(tensors()).toBe(before);
  });
});

describe('an engine that cannot start', () => {
  test.each<[EagerName, string]>([
    ['tfjs-node', 'pnpm add --allow-build=@tensorflow/tfjs-node @tensorflow/tfjs-node'],
    ['tfjs-node-gpu', 'pnpm add --allow-build=@tensorflow/tfjs-node-gpu @tensorflow/tfjs-node-gpu'],
    ['tfjs-webgpu', 'npm install @tensorflow/tfjs-backend-webgpu'],
  ])(
    '%s, an optional peer that this workspace does not have: the error says how to install it',
    async (name, command) => {
      const failure = openEagerEngine(name);
      await expect(failure).rejects.toThrow(`The engine "${name}" needs the package`);
      await expect(failure).rejects.toThrow(command);
    },
  );

  test('one whose package does not load says why', async () => {
    const load = () => Promise.reject(new Error('libtensorflow.so.2: cannot open shared object file'));
    await expect(openEagerEngine('tfjs-node', { load })).rejects.toThrow(
      'The engine "tfjs-node" cannot start: @tensorflow/tfjs-node does not load (libtensorflow.so.2',
    );
  });

  test('one whose package is given as a folder that is not there, or does not load', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'dm-ops-'));
    writeFileSync(join(folder, 'package.json'), '{ "main": "main.cjs" }');
    writeFileSync(join(folder, 'main.cjs'), 'throw new Error("no addon for " + typeof require);');
    const none = join(folder, 'none');
    vi.stubEnv('DM_TFJS_NODE', none);
    await expect(openEagerEngine('tfjs-node')).rejects.toThrow(
      `The engine "tfjs-node" cannot start: DM_TFJS_NODE=${none} does not load (Cannot find module`,
    );
    vi.stubEnv('DM_TFJS_NODE_GPU', folder);
    await expect(openEagerEngine('tfjs-node-gpu')).rejects.toThrow(
      `The engine "tfjs-node-gpu" cannot start: DM_TFJS_NODE_GPU=${folder} does not load (no addon for function)`,
    );
    vi.stubEnv('DM_TFJS_NODE', undefined);
    vi.stubEnv('DM_TFJS_NODE_GPU', undefined);
    rmSync(folder, { recursive: true });
  });

  test('one whose package registers nothing here', async () => {
    await expect(openEagerEngine('tfjs-webgpu', { load: async () => undefined })).rejects.toThrow(
      'The engine "tfjs-webgpu" cannot run here: @tensorflow/tfjs-backend-webgpu found no device or runtime for it',
    );
  });

  test('one whose backend fails as it starts leaves the selected backend as it was', async () => {
    const load = async () => tf.registerBackend('webgpu', () => Promise.reject(new Error('no adapter')));
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined); // TF.js prints the cause
    await expect(openEagerEngine('tfjs-webgpu', { load })).rejects.toThrow(
      'The engine "tfjs-webgpu" could not be started',
    );
    expect(warn.mock.calls.flat().join(' ')).toContain('no adapter');
    warn.mockRestore();
    tf.removeBackend('webgpu');
    expect(tf.getBackend()).toBe('cpu');
    expect(await tf.scalar(3).data()).toEqual(Float32Array.of(3));
  });

  test('tfjs-node-gpu after tfjs-node: both are the TF.js backend "tensorflow", and only one can be loaded', async () => {
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
    await expect(openEagerEngine('tfjs-node-gpu')).rejects.toThrow(
      'this process has already loaded @tensorflow/tfjs-node',
    );
    tf.removeBackend('tensorflow');
  });

  test('one that does not exist', async () => {
    await expect(openEagerEngine('tensorflow' as EagerName)).rejects.toThrow(
      'no engine "tensorflow"; there are tfjs-cpu, tfjs-wasm, tfjs-webgpu, tfjs-node, tfjs-node-gpu',
    );
  });

  test('tfjs-node loads on Node 23 and later, which lack a function that it calls', async () => {
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
