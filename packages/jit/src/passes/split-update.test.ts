import { flatLayout, type Program, splitFlat } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import '../testing.js';
import type { Graph, Value } from '../graph/graph.js';
import { portName } from '../graph/port.js';
import { trace } from '../trace/trace.js';
import { optimize } from './pipeline.js';
import { splitUpdate } from './split-update.js';

const layout = flatLayout([
  { name: 'w', shape: [3, 4], group: 'matrix' },
  { name: 'b', shape: [4], group: 'vector' },
]);
const vector = { dtype: 'float32', shape: [layout.size] } as const;
const inputs = {
  x: { dtype: 'float32', shape: [2, 3] },
  rate: { dtype: 'float32', shape: [] },
  shift: vector,
} as const;

const gradientOf = (params: tf.Tensor, x: tf.Tensor): tf.Tensor =>
  tf.grad((p: tf.Tensor) => {
    const { w, b } = splitFlat(p, layout);
    return tf.sum<tf.Scalar>(tf.tanh(tf.add(tf.matMul(x, w!), b!)));
  })(params);

/** RMSprop with momentum and clipping: both the norm and v need the squares of the gradient. */
const step: Program = ({ params, m, v }, { x, rate }) => {
  const grad = gradientOf(params!, x!);
  const norm = tf.sqrt(tf.sum(tf.square(grad)));
  const clipped = tf.mul(grad, tf.minimum(tf.div(1, norm), 1));
  const nextV = tf.add(tf.mul(v!, 0.9), tf.square(grad));
  const nextM = tf.add(tf.mul(m!, 0.9), clipped);
  return {
    state: { params: tf.sub(params!, tf.mul(tf.div(nextM, tf.sqrt(nextV)), rate!)), m: nextM, v: nextV },
    outputs: { norm },
  };
};
const state = { params: vector, m: vector, v: vector, few: { dtype: 'float32', shape: [3] } } as const;
const traced = (program: Program) => optimize(trace(program, state, inputs));
const isVector = ({ shape }: Value) => shape.length === 1 && shape[0] === layout.size;
const ops = ({ nodes }: Graph) => nodes.map(({ op }) => op);
const names = (values: Graph['inputs']) => values.map(({ port }) => portName(port));

describe('a step in two graphs', () => {
  it('computes outputs and gradient in the first, and element-wise updates in the second', () => {
    const graph = traced(step);
    const { main, update } = splitUpdate(graph, isVector)!;
    expect(ops(graph).filter((op) => op === 'BatchMatMul')).toHaveLength(2);
    expect(ops(main).filter((op) => op === 'BatchMatMul')).toHaveLength(2);
    // The gradient and the norm, but not the squares of the gradient, which are cheap to recompute.
    expect(names(main.outputs)).toEqual(['out.norm', 'intermediate.0', 'intermediate.1']);
    expect(main.outputs.map(({ value }) => value.shape)).toEqual([[], [layout.size], []]);
    expect(names(update.outputs)).toEqual(['next.params', 'next.m', 'next.v']);
    expect(names(update.inputs)).toEqual([
      'state.params',
      'state.m',
      'state.v',
      'in.rate',
      'intermediate.0',
      'intermediate.1',
    ]);
    const perElement = ['Const', 'Minimum', 'Square', 'Multiply', 'Add', 'Sqrt', 'RealDiv', 'Sub'];
    expect(new Set(ops(update))).toEqual(new Set(perElement));
  });

  it('is not split if its vectors are short', () => {
    expect(splitUpdate(traced(step))).toBeUndefined();
  });

  it.each<[string, Program]>([
    [
      'more than element by element is left',
      ({ params, m }, { x, rate }) => {
        const next = tf.add(tf.reverse(m!), gradientOf(params!, x!));
        return { state: { params: tf.sub(params!, tf.mul(next, rate!)), m: next }, outputs: { sum: tf.sum(x!) } };
      },
    ],
    [
      'no output needs the gradient',
      ({ params, m }, { x, rate }) => {
        const next = tf.add(m!, gradientOf(params!, x!));
        return { state: { params: tf.sub(params!, tf.mul(next, rate!)), m: next }, outputs: { sum: tf.sum(x!) } };
      },
    ],
    [
      'the kernel lacks an operation',
      ({ params }, { x, rate }) => {
        const grad = gradientOf(params!, x!);
        return { state: { params: tf.sub(params!, tf.mul(tf.tanh(grad), rate!)) }, outputs: { norm: tf.sum(grad) } };
      },
    ],
    [
      'two vectors would be kept',
      ({ params, m }, { x, rate }) => {
        const [grad, other] = [gradientOf(params!, x!), gradientOf(m!, x!)];
        const next = { params: tf.sub(params!, tf.mul(grad, rate!)), m: tf.sub(m!, tf.mul(other, rate!)) };
        return { state: next, outputs: { norm: tf.sum(tf.mul(grad, other)) } };
      },
    ],
    [
      'an input and a gradient would be read',
      ({ params }, { x, rate, shift }) => {
        const grad = gradientOf(params!, x!);
        const next = tf.add(tf.sub(params!, tf.mul(grad, rate!)), shift!);
        return { state: { params: next }, outputs: { norm: tf.sum(grad) } };
      },
    ],
    [
      'other state changes too',
      ({ params, few }, { x, rate }) => {
        const grad = gradientOf(params!, x!);
        const next = { params: tf.sub(params!, tf.mul(grad, rate!)), few: tf.mul(few!, 2) };
        return { state: next, outputs: { norm: tf.sum(grad) } };
      },
    ],
    ['there is no output', ({ params, m }) => ({ state: { params: m!, m: params! }, outputs: {} })],
    ['there is no state to write', (_, { x }) => ({ outputs: { sum: tf.sum(x!) } })],
  ])('is not made where %s', (_, program) => {
    expect(splitUpdate(traced(program), isVector)).toBeUndefined();
  });
});
