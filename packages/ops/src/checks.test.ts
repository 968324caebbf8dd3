import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { attention, conv2d, gelu, groupNorm, layerNorm, silu, upsampleNearest } from './index.js';

const ones = (...shape: number[]) => tf.ones(shape);
const ints = (...shape: number[]) => tf.ones(shape, 'int32');

test.each<[name: string, got: string, type: typeof RangeError | typeof TypeError, call: () => tf.Tensor]>([
  ['silu: x', 'int32', TypeError, () => silu(ints(3))],
  ['gelu: x', 'int32', TypeError, () => gelu(ints(3))],
  ['gelu: approximate', '"fast"', RangeError, () => gelu(ones(3), { approximate: 'fast' as 'tanh' })],
  ['groupNorm: x', '[4]', RangeError, () => groupNorm(ones(4), ones(4), ones(4), { groups: 2 })],
  ['groupNorm: groups', 'got 4', RangeError, () => groupNorm(ones(1, 6), ones(6), ones(6), { groups: 4 })],
  ['groupNorm: groups', 'got 0', RangeError, () => groupNorm(ones(1, 6), ones(6), ones(6), { groups: 0 })],
  ['groupNorm: scale', '[1]', RangeError, () => groupNorm(ones(1, 6), ones(1), ones(6), { groups: 2 })],
  ['groupNorm: offset', 'int32', TypeError, () => groupNorm(ones(1, 6), ones(6), ints(6), { groups: 2 })],
  ['groupNorm: epsilon', 'NaN', RangeError, () => groupNorm(ones(1, 6), ones(6), ones(6), { groups: 2, epsilon: NaN })],
  ['layerNorm: scale and offset', 'only scale', RangeError, () => layerNorm(ones(2, 4), { scale: ones(4) })],
  ['layerNorm: scale and offset', 'only offset', RangeError, () => layerNorm(ones(2, 4), { offset: ones(4) })],
  ['layerNorm: scale', '[2]', RangeError, () => layerNorm(ones(2, 4), { scale: ones(2), offset: ones(4) })],
  ['layerNorm: epsilon', 'got -1', RangeError, () => layerNorm(ones(2, 4), { epsilon: -1 })],
  ['layerNorm: x', 'a scalar', RangeError, () => layerNorm(tf.scalar(1))],
  ['conv2d: x', '[4, 4, 3]', RangeError, () => conv2d(ones(4, 4, 3), ones(3, 3, 3, 2))],
  ['conv2d: filter', '[3, 3, 4, 2]', RangeError, () => conv2d(ones(1, 4, 4, 3), ones(3, 3, 4, 2))],
  ['conv2d: bias', '[3]', RangeError, () => conv2d(ones(1, 4, 4, 3), ones(3, 3, 3, 2), { bias: ones(3) })],
  ['conv2d: strides', 'got 0', RangeError, () => conv2d(ones(1, 4, 4, 3), ones(3, 3, 3, 2), { strides: 0 })],
  ['conv2d: pad', 'got -1', RangeError, () => conv2d(ones(1, 4, 4, 3), ones(3, 3, 3, 2), { pad: -1 })],
  ["conv2d: pad 'same'", '2 × 3', RangeError, () => conv2d(ones(1, 4, 4, 3), ones(2, 3, 3, 2))],
  ['conv2d: filter width', '4, got 5', RangeError, () => conv2d(ones(1, 4, 4, 3), ones(3, 5, 3, 2), { pad: 0 })],
  ['attention: q', '[2, 3, 4]', RangeError, () => attention(ones(2, 3, 4), ones(2, 3, 4), ones(2, 3, 4))],
  ['attention: k', '[1, 2, 3, 5]', RangeError, () => attention(ones(1, 2, 3, 4), ones(1, 2, 3, 5), ones(1, 2, 3, 4))],
  ['attention: v', '[1, 2, 6, 4]', RangeError, () => attention(ones(1, 2, 3, 4), ones(1, 2, 3, 4), ones(1, 2, 6, 4))],
  [
    'attention: scale',
    'got 0',
    RangeError,
    () => attention(ones(1, 1, 2, 4), ones(1, 1, 2, 4), ones(1, 1, 2, 4), { scale: 0 }),
  ],
  ['upsampleNearest: x', '[2, 2]', RangeError, () => upsampleNearest(ones(2, 2))],
  ['upsampleNearest: factor', '1.5', RangeError, () => upsampleNearest(ones(1, 2, 2, 1), { factor: 1.5 })],
])('%s is refused: %s', (name, got, type, call) => {
  expect(call).toThrowWith({ type, contains: [name, got] });
});

test('the defaults are the documented ones', async () => {
  const same = async (a: tf.Tensor, b: tf.Tensor) => expect(await a.data()).toEqual(await b.data());
  const [x, scale, offset] = [tf.reshape(tf.range(0, 48), [1, 4, 4, 3]), tf.range(1, 4), tf.range(0, 3)];
  await same(groupNorm(x, scale, offset, { groups: 3 }), groupNorm(x, scale, offset, { groups: 3, epsilon: 1e-5 }));
  await same(layerNorm(x), layerNorm(x, { epsilon: 1e-5 }));
  await same(upsampleNearest(x), upsampleNearest(x, { factor: 2 }));
  const filter = tf.reshape(tf.range(0, 54), [3, 3, 3, 2]);
  await same(
    conv2d(x, filter),
    conv2d(x, filter, {
      strides: [1, 1],
      pad: [
        [1, 1],
        [1, 1],
      ],
    }),
  );
  await same(conv2d(x, filter, { strides: 2 }), conv2d(x, filter, { strides: [2, 2], pad: 1 }));
  const q = tf.reshape(tf.div(tf.range(0, 48), 48), [1, 1, 3, 16]);
  await same(attention(q, q, q), attention(q, q, q, { scale: 0.25 }));
});
