import * as tf from '@tensorflow/tfjs-core';
import { describe, it } from 'vitest';
import { expectSame, floats } from '../testing.js';

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
