import { conv2d, type Program } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { runCpu, closeTo, floats, runOnnx } from '../testing.js';
import { trace } from '../trace/trace.js';
import { scheduleWeightGradientsFirst } from './schedule-weight-gradients-first.js';
import { optimize } from './pipeline.js';

const inputs = {
  x: floats([2, 6, 6, 3]),
  a: floats([3, 3, 3, 4], 2),
  b: floats([3, 3, 4, 2], 3),
  bias: floats([4], 4),
};

/** Gradients of two consecutive convolutions with respect to image, filters and bias. */
const program: Program = (_, { x, a, b, bias }) => {
  const loss = (...[x0, a0, b0, bias0]: tf.Tensor[]): tf.Scalar =>
    tf.sum(tf.sin(conv2d(tf.sin(conv2d(x0!, a0!, { bias: bias0! })), b0!)));
  const { grads } = tf.valueAndGrads(loss)([x!, a!, b!, bias!]);
  return { outputs: Object.fromEntries(['x', 'a', 'b', 'bias'].map((name, i) => [name, grads[i]!])) };
};

it('computes the input gradient after the weight and bias gradients, with a copy of the filter', () => {
  const before = optimize(trace(program, {}, inputs));
  const after = scheduleWeightGradientsFirst(before);
  const gradients = (graph: typeof before) =>
    graph.nodes.map(({ op }) => op).filter((op) => /Grad|DmOptimizationBarrier|Sum/.test(op));
  expect(gradients(before)).toEqual([
    'DmConv2DGradInput',
    'DmConv2DGradFilter',
    'DmConv2DGradInput',
    'DmConv2DGradFilter',
    'Sum',
  ]);
  expect(gradients(after)).toEqual([
    'DmConv2DGradFilter',
    'DmOptimizationBarrier',
    'DmConv2DGradInput',
    'DmConv2DGradFilter',
    'Sum',
    'DmOptimizationBarrier',
    'DmConv2DGradInput',
  ]);
  const waits = after.nodes.filter(({ op }) => op === 'DmOptimizationBarrier');
  expect(waits.map(({ inputs: [filter] }) => filter!.shape)).toEqual([
    [3, 3, 4, 2],
    [3, 3, 3, 4],
  ]);
  expect(waits.map((node) => node.inputNames)).toEqual([
    ['x', 'after0'],
    ['x', 'after0', 'after1'],
  ]);
  expect(after.outputs).toEqual(before.outputs);
});

it('copies no filter that is larger than the gradient', () => {
  const { nodes } = scheduleWeightGradientsFirst(optimize(trace(program, {}, { ...inputs, x: floats([1, 4, 4, 3]) })));
  const waits = nodes.filter(({ op }) => op === 'DmOptimizationBarrier');
  // The gradients are [1, 4, 4, 2] and [1, 4, 4, 4], and the filters have 72 and 108 elements.
  expect(waits).toEqual([]);
});

it('does not change the gradients', async () => {
  expect(await runOnnx(program, inputs)).toBeAllClose(await runCpu(program, inputs), closeTo(5e-6));
});
