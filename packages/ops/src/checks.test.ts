import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { attention, conv2d, gelu, groupNorm, layerNorm, silu, upsampleNearest } from './index.js';

const ones = (...shape: number[]) => tf.ones(shape);
const ints = (...shape: number[]) => tf.ones(shape, 'int32');

test.each<[string, () => tf.Tensor]>([
  ['silu: x must be float32, got int32', () => silu(ints(3))],
  ['gelu: x must be float32, got int32', () => gelu(ints(3))],
  ['gelu: approximate must be one of none, tanh, got "fast"', () => gelu(ones(3), { approximate: 'fast' as 'tanh' })],
  ['groupNorm: x must be [N, ...spatial, C], got [4]', () => groupNorm(ones(4), ones(4), ones(4), { groups: 2 })],
  ['groupNorm: 6 channels cannot form 4 groups', () => groupNorm(ones(1, 6), ones(6), ones(6), { groups: 4 })],
  ['groupNorm: groups must be an integer >= 1, got 0', () => groupNorm(ones(1, 6), ones(6), ones(6), { groups: 0 })],
  ['groupNorm: scale must be [6], got [1]', () => groupNorm(ones(1, 6), ones(1), ones(6), { groups: 2 })],
  ['groupNorm: offset must be float32, got int32', () => groupNorm(ones(1, 6), ones(6), ints(6), { groups: 2 })],
  [
    'groupNorm: epsilon must be a number > 0, got NaN',
    () => groupNorm(ones(1, 6), ones(6), ones(6), { groups: 2, epsilon: NaN }),
  ],
  ['layerNorm: scale was given alone', () => layerNorm(ones(2, 4), { scale: ones(4) })],
  ['layerNorm: offset was given alone', () => layerNorm(ones(2, 4), { offset: ones(4) })],
  ['layerNorm: scale must be [4], got [2]', () => layerNorm(ones(2, 4), { scale: ones(2), offset: ones(4) })],
  ['layerNorm: epsilon must be a number > 0, got -1', () => layerNorm(ones(2, 4), { epsilon: -1 })],
  ['layerNorm: x must be [..., C], got a scalar', () => layerNorm(tf.scalar(1))],
  ['conv2d: x must be [N, H, W, I], got [4, 4, 3]', () => conv2d(ones(4, 4, 3), ones(3, 3, 3, 2))],
  ['conv2d: filter must be [kh, kw, 3, O], got [3, 3, 4, 2]', () => conv2d(ones(1, 4, 4, 3), ones(3, 3, 4, 2))],
  ['conv2d: bias must be [2], got [3]', () => conv2d(ones(1, 4, 4, 3), ones(3, 3, 3, 2), { bias: ones(3) })],
  ['conv2d: strides must be an integer >= 1, got 0', () => conv2d(ones(1, 4, 4, 3), ones(3, 3, 3, 2), { strides: 0 })],
  ['conv2d: pad must be an integer >= 0, got -1', () => conv2d(ones(1, 4, 4, 3), ones(3, 3, 3, 2), { pad: -1 })],
  ["conv2d: pad 'same' needs an odd kernel, got 2 × 3", () => conv2d(ones(1, 4, 4, 3), ones(2, 3, 3, 2))],
  [
    'conv2d: the filter is 5 wide, the padded image only 4',
    () => conv2d(ones(1, 4, 4, 3), ones(3, 5, 3, 2), { pad: 0 }),
  ],
  [
    'attention: q must be [B, heads, Tq, d], got [2, 3, 4]',
    () => attention(ones(2, 3, 4), ones(2, 3, 4), ones(2, 3, 4)),
  ],
  [
    'attention: k must be [1, 2, Tk, 4], got [1, 2, 3, 5]',
    () => attention(ones(1, 2, 3, 4), ones(1, 2, 3, 5), ones(1, 2, 3, 4)),
  ],
  [
    'attention: v must be [1, 2, 3, 4], got [1, 2, 6, 4]',
    () => attention(ones(1, 2, 3, 4), ones(1, 2, 3, 4), ones(1, 2, 6, 4)),
  ],
  [
    'attention: scale must be a number > 0, got 0',
    () => attention(ones(1, 1, 2, 4), ones(1, 1, 2, 4), ones(1, 1, 2, 4), { scale: 0 }),
  ],
  ['upsampleNearest: x must be [N, H, W, C], got [2, 2]', () => upsampleNearest(ones(2, 2))],
  [
    'upsampleNearest: factor must be an integer >= 1, got 1.5',
    () => upsampleNearest(ones(1, 2, 2, 1), { factor: 1.5 }),
  ],
])('%s', (message, call) => {
  expect(call).toThrow(message);
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
