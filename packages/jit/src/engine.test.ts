import * as tf from '@tensorflow/tfjs-core';
import type { Engine, Program } from '@dm/ops';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blockedConvolutions } from './lower/blocked.js';
import { openOnnxEngine } from './engine.js';
import { lowerGraph } from './lower/lower-graph.js';
import { encodeModel } from './onnx/proto.js';
import { bools, floats, given } from './testing.js';

let engine: Engine;
beforeAll(async () => {
  engine = await openOnnxEngine({ threads: 1 });
});
afterAll(() => engine.dispose());

/** Gradient descent on |w x - y|^2: forward, tape and update in one program. */
const descent: Program = (state, { x, y, lr }) => {
  const loss = (w: tf.Tensor) => tf.mean<tf.Scalar>(tf.square(tf.sub(tf.matMul(x!, w), y!)));
  const { value, grad } = tf.valueAndGrad(loss)(state['w']!);
  return { state: { w: tf.sub(state['w']!, tf.mul(lr!, grad)) }, outputs: { loss: value } };
};
const batch = { x: floats([8, 3]), y: floats([8, 2], 2), lr: given([0.1], []) };

describe('state', () => {
  it('is double-buffered and updated from call to call', async () => {
    const program = engine.compile(descent);
    const start = floats([3, 2], 3);
    const before = start.data.slice();
    const handle = await program.load({ w: start });
    const losses: number[] = [];
    for (let i = 0; i < 60; i++) losses.push((await program.run(handle, batch))['loss']!.data[0]!);
    expect(start.data).toEqual(before);
    expect(losses.at(-1)!).toBeLessThan(losses[0]! / 2);
    expect(losses.every((loss, i) => i === 0 || loss <= losses[i - 1]!)).toBe(true);
    const { w } = await handle.read();

    // A second handle, with the state of the first, behaves the same.
    const other = await program.load({ w: start });
    await other.write({ w: w! });
    const next = [await program.run(handle, batch), await program.run(other, batch)];
    expect(next[0]!['loss']!.data[0]).toBe(next[1]!['loss']!.data[0]);
    expect((await other.read(['w']))['w']!.data).toEqual((await handle.read(['w']))['w']!.data);
    await program.dispose();
  });

  it('does not change if the program does not return it, and can be used by another program of the engine', async () => {
    const train = engine.compile(descent);
    const look = engine.compile((state, { x }) => ({ outputs: { y: tf.matMul(x!, state['w']!) } }));
    const handle = await train.load({ w: floats([3, 2], 3) });
    const before = (await look.run(handle, { x: batch.x }))['y']!;
    expect((await look.run(handle, { x: batch.x }))['y']!.data).toEqual(before.data);
    await train.run(handle, batch);
    expect((await look.run(handle, { x: batch.x }))['y']!.data).not.toEqual(before.data);
  });

  it('does not change if the output named by commitIf is false', async () => {
    const halve: Program = ({ w }, { by }) => {
      const next = tf.div(w!, by!);
      return { state: { w: next }, outputs: { isFinite: tf.isFinite(tf.sum(next)), next } };
    };
    const program = engine.compile(halve, { name: 'halve', commitIf: 'isFinite' });
    const handle = await program.load({ w: given([4, 8]) });
    await program.run(handle, { by: given([2], []) });
    const refused = await program.run(handle, { by: given([0], []) });
    expect([...refused['next']!.data]).toEqual([Infinity, Infinity]);
    expect((await handle.read())['w']!.data).toEqual(Float32Array.of(2, 4));
    await program.run(handle, { by: given([2], []) });
    expect((await handle.read())['w']!.data).toEqual(Float32Array.of(1, 2));
    const wrong = engine.compile(halve, { name: 'halve', commitIf: 'next' });
    await expect(wrong.run(handle, { by: given([2], []) })).rejects.toThrowWith({
      type: RangeError,
      contains: ['commitIf', '"next"'],
    });
  });

  it('is copied into the given arrays if type and shape are the same', async () => {
    const handle = await engine.compile(({ w }) => ({ state: { w: w! }, outputs: {} })).load({ w: given([1, 2]) });
    const [alike, longer] = [given([0, 0]), given([0, 0, 0])];
    const { w } = await handle.read(undefined, { w: alike });
    expect(w).toBe(alike);
    expect(alike.data).toEqual(Float32Array.of(1, 2));
    expect((await handle.read(['w'], { w: longer }))['w']!.data).toEqual(Float32Array.of(1, 2));
    expect(longer.data).toEqual(Float32Array.of(0, 0, 0));
    alike.data.fill(9);
    expect((await handle.read())['w']!.data).toEqual(Float32Array.of(1, 2));
  });

  it('may be swapped', async () => {
    const swap = engine.compile(({ a, b }) => ({ state: { a: b!, b: a! }, outputs: {} }));
    const handle = await swap.load({ a: given([1]), b: given([2]) });
    await swap.run(handle, {});
    expect(await handle.read()).toMatchObject({ a: { data: Float32Array.of(2) }, b: { data: Float32Array.of(1) } });
  });

  it('is compiled again for another batch size', async () => {
    const program = engine.compile(descent);
    const handle = await program.load({ w: floats([3, 2], 3) });
    await program.run(handle, batch);
    const last = await program.run(handle, { ...batch, x: floats([5, 3]), y: floats([5, 2]) });
    expect(Number.isFinite(last['loss']!.data[0])).toBe(true);
  });
});

it('is deterministic', async () => {
  const results = [];
  for (let run = 0; run < 2; run++) {
    const program = engine.compile(descent);
    const handle = await program.load({ w: floats([3, 2], 3) });
    for (let i = 0; i < 5; i++) await program.run(handle, batch);
    results.push((await handle.read())['w']!.data);
  }
  expect(results[0]).toEqual(results[1]);
});

it('captures outside tensors as constants and does not dispose of them', async () => {
  await tf.setBackend('cpu');
  const outside = tf.tensor1d([1, 2, 3]);
  const program = engine.compile((_, { x }) => ({
    outputs: { y: tf.add(x!, outside), n: tf.scalar(outside.dataSync()[1]!) },
  }));
  const handle = await program.load({});
  const { y, n } = await program.run(handle, { x: given([10, 20, 30]) });
  expect([...y!.data, ...n!.data]).toEqual([11, 22, 33, 2]);
  expect(tf.getBackend()).toBe('cpu');
  expect([...tf.add(outside, 1).dataSync()]).toEqual([2, 3, 4]);
});

it('disposes of its tensors', async () => {
  const before = tf.memory().numTensors;
  const program = engine.compile(descent);
  await program.run(await program.load({ w: floats([3, 2], 3) }), batch);
  expect(tf.memory().numTensors).toBe(before);
});

describe('errors name the op, the value, the line and a fix', () => {
  const run = async (
    fn: Program,
    state = {},
    inputs: Record<string, ReturnType<typeof given>> = { x: given([1, 2]) },
  ) => {
    const program = engine.compile(fn, { name: 'sample' });
    return program.run(await program.load(state), inputs);
  };

  it('reading a value', async () => {
    const reads: Program = (_, { x }) => ({ outputs: { y: tf.scalar(tf.sum(x!).dataSync()[0]!) } });
    await expect(run(reads)).rejects.toMatchObject({
      code: 'TRACE_FAILED',
      message: expect.stringMatching(/float32 \[\].*\bSum\b.*tf\.where.*engine\.test\.ts:\d+:\d+/s),
    });
  });

  it('reading a value indirectly: arraySync, a comparison in an if, data in an async program', async () => {
    const error = {
      code: 'TRACE_FAILED',
      message: expect.stringMatching(/\bSum\b.*tf\.where.*engine\.test\.ts:\d+:\d+/s),
    };
    await expect(run((_, { x }) => ({ outputs: { y: tf.tensor(tf.sum(x!).arraySync()) } }))).rejects.toMatchObject(
      error,
    );
    const branches: Program = (_, { x }) => {
      const positive = (tf.sum(x!) as unknown as number) > 0; // converting a tensor to a number reads its value
      return { outputs: { y: positive ? x! : tf.neg(x!) } };
    };
    await expect(run(branches)).rejects.toMatchObject(error);
    const waits = async (_: unknown, { x }: { x: tf.Tensor }) => {
      const [sum] = await tf.sum(x).data();
      return { outputs: { y: sum! > 0 ? x : tf.neg(x) } };
    };
    await expect(run(waits as unknown as Program)).rejects.toMatchObject(error);
  });

  it('values known while tracing may be read', async () => {
    const scaled: Program = (_, { x }) => ({ outputs: { y: tf.mul(x!, tf.scalar(3).dataSync()[0]!) } });
    expect((await run(scaled))['y']!.data).toEqual(Float32Array.of(3, 6));
  });

  it('attributes without a lowering', async () => {
    const image = floats([1, 3, 4, 4]);
    const nchw: Program = (_, { x }) => ({
      outputs: { y: tf.conv2d(x as tf.Tensor4D, tf.ones<tf.Rank.R4>([1, 1, 3, 2]), 1, 'same', 'NCHW') },
    });
    await expect(run(nchw, {}, { x: image })).rejects.toMatchObject({
      code: 'TRACE_FAILED',
      message: expect.stringMatching(/Conv2D.*\[1,.3,.4,.4\].*dataFormat NCHW.*engine\.test\.ts:\d+:\d+/s),
    });
  });

  it('a kernel without a lowering', async () => {
    const depthToSpace: Program = (_, { x }) => ({
      outputs: { y: tf.depthToSpace(tf.reshape<tf.Rank.R4>(x!, [1, 1, 1, 4]), 2) },
    });
    await expect(run(depthToSpace, {}, { x: given([1, 2, 3, 4]) })).rejects.toMatchObject({
      code: 'TRACE_FAILED',
      message: expect.stringMatching(/DepthToSpace.*\[1,.1,.1,.4\].*FEATURES.*engine\.test\.ts:\d+:\d+/s),
    });
  });

  it('returned state with another name, shape or type', async () => {
    const w = { w: given([1]) };
    await expect(run(() => ({ state: { v: tf.scalar(1) }, outputs: {} }), w)).rejects.toMatchObject({
      code: 'TRACE_FAILED',
      message: expect.stringMatching(/"v".*\(w\)/),
    });
    await expect(run(() => ({ state: { w: tf.scalar(1) }, outputs: {} }), w)).rejects.toMatchObject({
      code: 'TRACE_FAILED',
      message: expect.stringMatching(/"w".*float32 \[1\].*float32 \[\]/),
    });
  });

  it('an asynchronous program, and one compiled inside another', async () => {
    await expect(run((async () => ({ outputs: {} })) as unknown as Program)).rejects.toMatchObject({
      code: 'TRACE_FAILED',
      message: expect.stringContaining('synchronous'),
    });
  });

  it('handles: another engine, unknown names, wrong shapes, use after dispose, overlapping runs', async () => {
    const program = engine.compile(descent);
    const handle = await program.load({ w: floats([3, 2], 3) });
    const other = await openOnnxEngine({ threads: 1 });
    await expect(other.compile(descent).run(handle, batch)).rejects.toMatchObject({
      code: 'STATE_MISMATCH',
      message: expect.stringContaining('another engine'),
    });
    await expect(handle.read(['v'])).rejects.toMatchObject({
      code: 'STATE_MISMATCH',
      message: expect.stringMatching(/"v".* w$/),
    });
    await expect(handle.write({ w: given([1]) })).rejects.toMatchObject({
      code: 'STATE_MISMATCH',
      message: expect.stringMatching(/"w".*\[3, 2\].*\[1\]/),
    });
    const first = program.run(handle, batch);
    await expect(program.run(handle, batch)).rejects.toMatchObject({ code: 'STATE_BUSY' });
    await first;
    handle.dispose();
    await expect(program.run(handle, batch)).rejects.toMatchObject({
      code: 'DISPOSED',
      message: expect.stringContaining('state handle'),
    });
  });

  it('programs and engines after dispose', async () => {
    const other = await openOnnxEngine({ threads: 1 });
    const [first, second] = [other.compile(descent, { name: 'first' }), other.compile(descent, { name: 'second' })];
    const handle = await first.load({ w: floats([3, 2], 3) });
    await first.run(handle, batch);
    await first.dispose();
    await expect(first.run(handle, batch)).rejects.toMatchObject({
      code: 'DISPOSED',
      message: expect.stringContaining('first: '),
    });
    await second.run(handle, batch); // the handle stays valid
    await other.dispose();
    await expect(second.run(handle, batch)).rejects.toMatchObject({
      code: 'DISPOSED',
      message: expect.stringContaining('second: '),
    });
    expect(() => other.compile(descent)).toThrow(
      expect.objectContaining({ code: 'DISPOSED', message: expect.stringContaining('engine "onnx"') }),
    );
  });

  it('arrays whose data does not match their shape or type', async () => {
    const fn: Program = (_, { x }) => ({ outputs: { x: x! } });
    await expect(run(fn, {}, { x: { ...given([1, 2]), shape: [3] } })).rejects.toMatchObject({
      name: 'RangeError',
      message: expect.stringMatching(/"x".*\[3\].*got 2/),
    });
    await expect(run(fn, {}, { x: { ...bools([1]), dtype: 'float32' } as never })).rejects.toMatchObject({
      name: 'TypeError',
      message: expect.stringMatching(/float32.*Float32Array/),
    });
  });

  it('threads', async () => {
    await expect(openOnnxEngine({ threads: 0 })).rejects.toMatchObject({
      name: 'RangeError',
      message: expect.stringMatching(/threads.*>= 1.* 0$/),
    });
  });
});

it('passes inputs through, and tensors of rank 0 and of no elements', async () => {
  const program = engine.compile((_, { x, e }) => ({ outputs: { x: x!, s: tf.sum(x!), e: tf.mul(e!, 2) } }));
  const outputs = await program.run(await program.load({}), { x: given([1, 2]), e: given([], [0, 3]) });
  expect(outputs).toMatchObject({
    x: { shape: [2] },
    s: { shape: [], data: Float32Array.of(3) },
    e: { shape: [0, 3] },
  });
});

it('reports each compilation and each call to an observer', async () => {
  const seen: string[] = [];
  const watched = await openOnnxEngine({
    threads: 1,
    observer: {
      compiling: (name) => void seen.push(`compiling ${name}`),
      compileEnded: (name, ms) => {
        seen.push(`ended ${name}`);
        expect(ms).toBeGreaterThan(0);
      },
      compiled: ({ name, graph, format, bytes, ms }) => {
        seen.push(`compiled ${name}`);
        expect(format).toBe('onnx');
        expect(bytes).toEqual(
          encodeModel(lowerGraph(graph, { blocked: blockedConvolutions(watched.info['block'] as number) })),
        );
        for (const phase of Object.values(ms)) expect(phase).toBeGreaterThan(0);
      },
      ran: ({ name, ms, sessionMs, updateMs }) => {
        seen.push(`ran ${name}`);
        expect(sessionMs).toBeGreaterThan(0);
        expect(ms).toBeGreaterThan(sessionMs);
        expect(updateMs).toBe(0);
      },
    },
  });
  const program = watched.compile(descent, { name: 'descent' });
  const handle = await program.load({ w: floats([3, 2], 3) });
  await program.run(handle, batch);
  await program.run(handle, batch);
  await watched.dispose();
  expect(seen).toEqual(['compiling descent', 'compiled descent', 'ended descent', 'ran descent', 'ran descent']);
});
