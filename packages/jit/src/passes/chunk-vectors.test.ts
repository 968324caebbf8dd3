import { openEagerEngine, flatLayout, type Program, splitFlat } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { printGraph } from '../inspect/dump.js';
import { openOnnxEngine } from '../engine.js';
import { closeTo, floats, given } from '../testing.js';
import { portName } from '../graph/port.js';
import { trace } from '../trace/trace.js';
import { optimize } from './pipeline.js';
import { chunkVectors } from './chunk-vectors.js';
import { eliminateDeadCode } from './eliminate-dead-code.js';

const layout = flatLayout([
  { name: 'w', shape: [3, 4], group: 'matrix' },
  { name: 'b', shape: [4], group: 'vector' },
  { name: 'gain', shape: [], group: 'vector' },
  { name: 'out', shape: [4, 2], group: 'matrix' },
]);
const specs = (arrays: Record<string, { dtype: 'float32'; shape: readonly number[] }>) => arrays;
const vector = { dtype: 'float32', shape: [layout.size] } as const;
const state = specs({ params: vector, m: vector });
const inputs = specs({ x: { dtype: 'float32', shape: [2, 3] }, rate: { dtype: 'float32', shape: [] } });

/** Momentum on a small network, with the norm of the gradient. */
const step: Program = (now, { x, rate }) => {
  const loss = (params: tf.Tensor) => {
    const { w, b, gain, out } = splitFlat(params, layout);
    return tf.sum<tf.Scalar>(tf.matMul(tf.tanh(tf.mul(tf.add(tf.matMul(x!, w!), b!), gain!)), out!));
  };
  const grad = tf.grad(loss)(now['params']!);
  const m = tf.add(tf.mul(now['m']!, 0.9), grad);
  return {
    state: { params: tf.sub(now['params']!, tf.mul(m, rate!)), m },
    outputs: { norm: tf.sqrt(tf.sum(tf.square(grad))) },
  };
};

const lines = (text: string, kernel: string) => text.split('\n').filter((line) => line.includes(`: ${kernel}(`));

describe('vectors in chunks', () => {
  const before = optimize(trace(step, state, inputs));
  // The weight is long enough for a chunk; bias, gain and the last weight together form another.
  const graph = eliminateDeadCode(chunkVectors(before, 12));

  it('uses chunks that are slices of the state, without splitting or joining vectors', () => {
    const [whole, taken] = [printGraph(before), printGraph(graph)];
    expect([lines(whole, 'SplitV').length, lines(whole, 'Concat').length]).toEqual([1, 1]);
    // Splits and joins within a chunk remain (three parameters, three gradients), and the sums for the norm.
    expect([lines(taken, 'SplitV').length, lines(taken, 'Concat').length]).toEqual([1, 2]);
    expect(whole).toContain(`[${layout.size}]`);
    expect(taken).not.toContain(`[${layout.size}]`);
    expect(graph.inputs.map(({ port, value }) => `${portName(port)} ${value.shape.join()}`)).toEqual([
      'state.params[0:12] 12',
      'state.params[12:25] 13',
      'state.m[0:12] 12',
      'state.m[12:25] 13',
      'in.x 2,3',
      'in.rate ',
    ]);
    expect(graph.outputs.map(({ port }) => portName(port))).toEqual([
      'next.params[0:12]',
      'next.params[12:25]',
      'next.m[0:12]',
      'next.m[12:25]',
      'out.norm',
    ]);
    expect(graph.outputs[3]!.port).toEqual({ kind: 'next', name: 'm', slice: { offset: 12, length: 13 } });
  });

  it('gives the same values as whole vectors, also if other nodes need the whole vectors', async () => {
    const long = flatLayout([
      { name: 'a', shape: [300_000], group: 'matrix' },
      { name: 'b', shape: [5], group: 'vector' },
      { name: 'c', shape: [300_000], group: 'matrix' },
    ]);
    const program: Program = ({ params, m }, { rate }) => {
      const grad = tf.grad((p: tf.Tensor) => {
        const { a, b, c } = splitFlat(p, long);
        return tf.sum<tf.Scalar>(tf.add(tf.square(tf.mul(a!, c!)), tf.sum(tf.square(b!))));
      })(params!);
      // A slice that does not end at a chunk boundary, and a reversal: neither is possible chunk by chunk.
      const [head, tail] = tf.split(grad, [7, long.size - 7]);
      const scaled = tf.concat([tf.mul(head!, 2), tail!]);
      const next = tf.add(tf.mul(m!, 0.5), tf.reverse(scaled));
      return {
        state: { m: next, params: tf.sub(params!, tf.mul(next, rate!)) },
        outputs: { norm: tf.sum(tf.abs(grad)), scaled },
      };
    };
    const arrays = { params: floats([long.size], 3), m: floats([long.size], 4) };
    const results = [];
    for (const engine of [await openOnnxEngine({ threads: 2 }), await openEagerEngine('tfjs-cpu')]) {
      const compiled = engine.compile(program);
      const handle = await compiled.load(arrays);
      await compiled.run(handle, { rate: given([1e-6], []) });
      const outputs = await compiled.run(handle, { rate: given([1e-6], []) });
      results.push({ ...(await handle.read()), ...outputs });
      await engine.dispose();
    }
    expect(results[0]!).toBeAllClose(results[1]!, closeTo(1e-5));
  });

  it('does not change a graph whose vectors are shorter than two chunks', () => {
    expect(chunkVectors(before)).toBe(before);
  });
});
