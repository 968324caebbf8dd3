import * as tf from '@tensorflow/tfjs-core';
import { it } from 'vitest';
import { expectSame, floats, type Fn } from '../testing.js';

const x = floats([2, 3, 4]);

it('series, fills and constants', async () => {
  const fn: Fn = ({ x }) => [
    tf.range(0, 5, 2),
    tf.range(3, 0, -1, 'int32'),
    tf.linspace(0, 1, 5),
    tf.fill([2, 2], 7),
    tf.zerosLike(x!),
    tf.onesLike(x!),
    tf.tensor([1, 2, 3]),
    tf.tensor([true, false], [2], 'bool'),
    tf.eye(3),
  ];
  await expectSame(fn, { x }, { grad: false });
});
