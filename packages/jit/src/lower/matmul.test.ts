import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { asProgram, expectSame, floats, type Fn, runOnnx } from '../testing.js';

describe.each([
  [false, false],
  [true, false],
  [false, true],
  [true, true],
])('matMul, transposed %s %s', (ta, tb) => {
  const a = ta ? [4, 3] : [3, 4];
  const b = tb ? [5, 4] : [4, 5];
  it.each([
    [[], []],
    [[2], [2]],
    [[2], [1]],
    [[], [2]],
    [[2], [3, 2]],
    [
      [2, 3],
      [2, 3],
    ],
  ])('batch %j by %j', async (batchA, batchB) => {
    const inputs = { a: floats([...batchA, ...a]), b: floats([...batchB, ...b], 2) };
    // TF.js has no gradient for matrix products that broadcast their batch.
    const grad = batchA.length === batchB.length && batchA.every((d, i) => d === batchB[i]);
    await expectSame(({ a, b }) => tf.matMul(a!, b!, ta, tb), inputs, { tolerance: 1e-5, grad });
  });
});

it('dot products of vectors', async () => {
  await expectSame(({ a, b }) => tf.dot(a!, b!), { a: floats([5]), b: floats([5], 2) });
});

it('products over nothing are zeros, whatever was computed before', async () => {
  const inputs = {
    a: floats([3, 2, 0]),
    b: floats([3, 2, 0], 2),
    c: floats([4, 0]),
    d: floats([3, 0, 4]),
    x: floats([500]),
  };
  const fn: Fn = ({ a, b, c, d, x }) => [
    tf.add(tf.matMul(a!, b!, false, true), tf.mul(0, tf.sum(tf.tanh(x!)))),
    tf.matMul(c!, d!),
  ];
  for (let run = 0; run < 3; run++) await expectSame(fn, inputs, { grad: false });
});

it('so is the gradient of a filter that is wider than its images', async () => {
  const conv = (x: tf.Tensor, filter: tf.Tensor) =>
    tf.sum<tf.Scalar>(tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 1, 'valid'));
  const fn: Fn = ({ x, f }) => tf.grad((filter: tf.Tensor) => conv(x!, filter))(f!);
  const inputs = { x: floats([2, 3, 4, 3]), f: floats([1, 5, 3, 2], 2) };
  const { out0 } = await runOnnx(asProgram(fn), inputs);
  expect([...new Set(out0!.data)]).toEqual([0]);
});
