import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { describe, expect, it } from 'vitest';
import { float32, oneHot, scalar, toScalars, toTensors } from './arrays.js';

describe('float32', () => {
  it('wraps a Float32Array and converts anything else', () => {
    const data = Float32Array.of(1, 2);
    expect(float32(data).data).toBe(data);
    expect(float32([1, 2, 3, 4], [2, 2])).toEqual({
      dtype: 'float32',
      shape: [2, 2],
      data: Float32Array.of(1, 2, 3, 4),
    });
  });

  it('refuses a shape with another number of elements', () => {
    expect(() => float32([1, 2, 3], [2, 2])).toThrow(RangeError);
  });
});

it('scalar and toScalars have shape []', () => {
  expect(scalar(0.5)).toEqual({ dtype: 'float32', shape: [], data: Float32Array.of(0.5) });
  expect(toScalars({ lr: 0.5, beta1: 2 })).toEqual({ lr: scalar(0.5), beta1: scalar(2) });
});

describe('oneHot', () => {
  it('has one row per label', () => {
    expect(oneHot([2, 0], 3)).toEqual(float32([0, 0, 1, 1, 0, 0], [2, 3]));
  });

  it('refuses a label that is not a class index', () => {
    expect(() => oneHot([0, 3], 3)).toThrowWith({ type: RangeError, contains: ['labels[1]', '[0, 3)', 'got 3'] });
    expect(() => oneHot([-1], 3)).toThrow(RangeError);
  });
});

it('toTensors copies arrays into tensors of the current backend', async () => {
  await tf.setBackend('cpu');
  const x = float32([1, 2, 3, 4], [2, 2]);
  const tensors = toTensors({ x, n: { dtype: 'int32', shape: [1], data: Int32Array.of(7) } });
  x.data[0] = 9;
  expect([...(await tensors['x']!.data())]).toEqual([1, 2, 3, 4]);
  expect(tensors['x']!.shape).toEqual([2, 2]);
  expect(tensors['n']!.dtype).toBe('int32');
});
