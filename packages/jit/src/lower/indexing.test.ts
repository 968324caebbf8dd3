import * as tf from '@tensorflow/tfjs-core';
import { it } from 'vitest';
import { expectSame, floats, ints } from '../testing.js';

const x = floats([2, 3, 4]);

it('gather, its gradient and one-hot', async () => {
  await expectSame(({ x }) => tf.gather(x!, tf.tensor1d([2, 0, 2, 1], 'int32'), 1), { x });
  await expectSame(({ x, i }) => tf.gather(x!, i!), { x, i: ints([1, 0, 1]) });
  await expectSame(({ i }) => [tf.oneHot(i!, 4), tf.oneHot(i!, 3, 2, -1)], { i: ints([1, 0, 3, -1]) }, { grad: false });
});
