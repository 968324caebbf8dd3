import * as tf from '@tensorflow/tfjs-core';
import { describe, it } from 'vitest';
import { bools, expectSame, floats, type Fn, given, ints } from '../testing.js';

const axes = [undefined, 0, -1, [0, 2], [1, 2], []];
describe.each(['sum', 'mean', 'max', 'min', 'prod'] as const)('%s', (name) => {
  it.each(axes)('over axes %j', async (axis) => {
    const reduce = tf[name];
    const inputs = { x: floats([2, 3, 4]) };
    // TF.js's gradient of prod needs chained ops, which tfjs-core alone does not register.
    const grad = name !== 'prod';
    await expectSame(({ x }) => reduce(x!, axis), inputs, { grad });
    await expectSame(({ x }) => reduce(x!, axis, true), inputs, { grad: false });
  });
});

it('reduces images that convolutions left channels first', async () => {
  const inputs = { x: floats([2, 5, 6, 3]), w: floats([3, 3, 3, 4], 7) };
  for (const axis of [[0, 1, 2], [1, 2], 3, [0], [1], [0, 3], [2, 3], undefined]) {
    for (const keep of [false, true]) {
      await expectSame(
        ({ x, w }) => tf.mean(tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, 'same'), axis, keep),
        inputs,
      );
    }
  }
});

it('all and any of booleans, sums of integers', async () => {
  const inputs = { b: bools([1, 0, 1, 1, 1, 1], [2, 3]), i: ints([1, -2, 3, 4, 5, -6], [2, 3]) };
  await expectSame(
    ({ b, i }) => [tf.all(b!, 1), tf.any(b!, 0), tf.sum(i!), tf.max(i!, 1), tf.mean(i!), tf.sum(b!)],
    inputs,
    { grad: false },
  );
});

it('softmax, logSoftmax and logSumExp', async () => {
  await expectSame(({ x }) => tf.softmax(x!), { x: floats([3, 5], 1, 20) });
  await expectSame(({ x }) => tf.logSoftmax(x!), { x: floats([3, 5], 1, 20) });
  await expectSame(({ x }) => tf.logSumExp(x!, 1), { x: floats([3, 5]) });
});

it.each([
  [false, false],
  [true, false],
  [false, true],
  [true, true],
])('cumsum, exclusive %s, reverse %s', async (exclusive, reverse) => {
  await expectSame(({ x }) => tf.cumsum(x!, 1, exclusive, reverse), { x: floats([2, 5]) });
});

it('argMax and argMin', async () => {
  await expectSame(({ x }) => [tf.argMax(x!, 1), tf.argMin(x!, 0)], { x: floats([4, 5]) }, { grad: false });
});

it('moments and norms', async () => {
  await expectSame(
    ({ x }) => {
      const { mean, variance } = tf.moments(x!, [1]);
      return [mean, variance];
    },
    { x: floats([3, 5]) },
  );
  await expectSame(({ x }) => tf.norm(x!, 'euclidean'), { x: floats([3, 5]) });
});

it('topk', async () => {
  const inputs = { x: floats([3, 7]), ties: ints([1, 3, 3, 2], [1, 4]) };
  const fn: Fn = ({ x, ties }) =>
    [tf.topk(x!, 3), tf.topk(ties!, 2)].flatMap(({ values, indices }) => [values, indices]);
  await expectSame(fn, inputs, { grad: false });
});

it('a NaN at any place makes the maximum and the minimum NaN', async () => {
  const x = floats([4, 4]);
  const data = x.data.slice();
  for (let i = 0; i < 4; i++) data[5 * i] = NaN;
  const inputs = { x: { ...x, data }, y: given([1, NaN, 2]), z: given([Infinity, 1, -Infinity]) };
  await expectSame(
    ({ x, y, z }) => [
      ...[tf.max, tf.min].flatMap((of) => [of(x!, 0), of(x!, 1), of(x!, 1, true), of(x!), of(y!), of(z!)]),
      tf.max(tf.cast(z!, 'bool')),
    ],
    inputs,
    { grad: false },
  );
});
