import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { flatLayout, splitFlat, viewFlat } from './index.js';

const layout = flatLayout([
  { name: 'conv.weight', shape: [1, 2, 2, 1], group: 'matrix' },
  { name: 'gain', shape: [], group: 'vector' },
  { name: 'conv.bias', shape: [3], group: 'vector' },
]);

test('tensors are concatenated in the given order', () => {
  expect(layout).toEqual({
    size: 8,
    entries: [
      { name: 'conv.weight', shape: [1, 2, 2, 1], offset: 0, size: 4, group: 'matrix' },
      { name: 'gain', shape: [], offset: 4, size: 1, group: 'vector' },
      { name: 'conv.bias', shape: [3], offset: 5, size: 3, group: 'vector' },
    ],
  });
});

test('an empty layout has no elements', () => {
  expect(flatLayout([])).toEqual({ size: 0, entries: [] });
});

test('a repeated name is refused', () => {
  const twice = [
    { name: 'w', shape: [1], group: 'vector' },
    { name: 'w', shape: [2], group: 'vector' },
  ];
  expect(() => flatLayout(twice)).toThrowWith({ type: RangeError, contains: '"w"' });
});

test('splitFlat splits a vector into tensors', async () => {
  const tensors = splitFlat(tf.tensor1d([1, 2, 3, 4, 5, 6, 7, 8]), layout);
  expect(Object.keys(tensors)).toEqual(['conv.weight', 'gain', 'conv.bias']);
  expect(await tensors['conv.weight']!.array()).toEqual([
    [
      [[1], [2]],
      [[3], [4]],
    ],
  ]);
  expect(await tensors['gain']!.array()).toBe(5);
  expect(await tensors['conv.bias']!.array()).toEqual([6, 7, 8]);
});

test('the gradient through splitFlat has the layout of the vector', async () => {
  const loss = (flat: tf.Tensor) => {
    const { gain, ...rest } = splitFlat(flat, layout);
    const squares = tf.add(tf.sum(tf.square(rest['conv.weight']!)), tf.sum(tf.mul(rest['conv.bias']!, [10, 20, 30])));
    return tf.add(squares, tf.mul(gain!, 7));
  };
  const gradient = tf.grad(loss)(tf.tensor1d([1, 2, 3, 4, 5, 6, 7, 8]));
  expect([...(await gradient.data())]).toEqual([2, 4, 6, 8, 7, 10, 20, 30]);
});

test('viewFlat gives views, not copies', () => {
  const flat = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  const views = viewFlat(flat, layout);
  expect(views['conv.bias']).toEqual({ dtype: 'float32', shape: [3], data: Float32Array.of(6, 7, 8) });
  views['gain']!.data[0] = 50;
  expect(flat[4]).toBe(50);
});

test('viewFlat refuses a vector of another length', () => {
  expect(() => viewFlat(new Float32Array(7), layout)).toThrowWith({ type: RangeError, contains: ['7', '8'] });
});
