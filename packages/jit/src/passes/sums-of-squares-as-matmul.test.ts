import { type Program } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { floats, runOnnx } from '../testing.js';
import { trace } from '../trace/trace.js';
import { sumsOfSquaresAsMatmul } from './sums-of-squares-as-matmul.js';
import { eliminateDeadCode } from './eliminate-dead-code.js';
import { optimize } from './pipeline.js';

const graphOf = (program: Program, length: number) =>
  eliminateDeadCode(sumsOfSquaresAsMatmul(optimize(trace(program, {}, { x: { dtype: 'float32', shape: [length] } }))));
const ops = (program: Program, length = 24) => graphOf(program, length).nodes.map(({ op }) => op);

it('a sum of squares becomes one matrix product whose number of rows is a power of two', () => {
  const norm: Program = (_, { x }) => ({ outputs: { y: tf.sqrt(tf.sum(tf.square(x!))) } });
  expect(ops(norm)).toEqual(['Reshape', 'BatchMatMul', 'Reshape', 'Sum', 'Sqrt']);
  const shapes = [7, 24, 2 ** 20].map((length) => graphOf(norm, length).nodes[0]!.outputs[0]!.shape);
  expect(shapes).toEqual([
    [1, 1, 7],
    [8, 1, 3],
    [64, 1, 2 ** 14],
  ]);
});

it('squares with other uses, sums of other values and sums along other axes are not changed', () => {
  expect(ops((_, { x }) => ({ outputs: { y: tf.sum(tf.square(x!)), z: tf.square(x!) } }))).toContain('Square');
  expect(ops((_, { x }) => ({ outputs: { y: tf.sum(tf.abs(x!)) } }))).toEqual(['Abs', 'Sum']);
  const along: Program = (_, { x }) => ({ outputs: { y: tf.sum(tf.square(tf.reshape(x!, [4, 6])), 0) } });
  expect(ops(along)).toEqual(['Reshape', 'Square', 'Sum']);
});

it('is close to the sum in float64', async () => {
  const x = floats([2 ** 20 + 64], 5, 100);
  const exact = (x.data as Float32Array).reduce((sum, value) => sum + value * value, 0);
  for (const keepDims of [false, true]) {
    const { y } = await runOnnx((_, { x: v }) => ({ outputs: { y: tf.sum(tf.square(v!), 0, keepDims) } }), { x });
    expect(y!.shape).toEqual(keepDims ? [1] : []);
    expect(Math.abs(y!.data[0]! / exact - 1)).toBeLessThan(2e-6);
  }
});
