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
    // In the type of the tensor, also if it is known while compiling.
    tf.cast(tf.fill([2], 1.7, 'int32'), 'float32'),
    tf.greater(tf.fill([2], 1.7, 'int32'), 1),
    tf.cast(tf.fill([2], 0.5, 'int32'), 'bool'),
    tf.fill([2], true as unknown as number),
  ];
  await expectSame(fn, { x }, { grad: false });
});
