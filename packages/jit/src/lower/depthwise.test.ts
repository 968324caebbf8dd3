import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { openOnnxEngine } from '../engine.js';
import { closeTo, expectSame, floats, runCpu, runOnnx } from '../testing.js';

type Four = tf.Tensor4D;

it.each([
  { channels: 3, multiplier: 1, strides: 1, pad: 'same' },
  { channels: 3, multiplier: 2, strides: 2, pad: 'same' },
  { channels: 32, multiplier: 1, strides: 1, pad: 'same' },
  { channels: 32, multiplier: 1, strides: 2, pad: 'same' },
  { channels: 48, multiplier: 1, strides: 2, pad: 'valid' },
] as const)('depthwise convolution of $channels channels times $multiplier, stride $strides, $pad', async (c) => {
  const inputs = { x: floats([2, 7, 6, c.channels]), w: floats([3, 3, c.channels, c.multiplier], 2) };
  await expectSame(({ x, w }) => tf.depthwiseConv2d(x as Four, w as Four, c.strides, c.pad), inputs, { grad: false });
});

it('agrees on blocked and plain tensors, with dilation', async () => {
  const inputs = { x: floats([1, 9, 9, 16]), w: floats([3, 3, 16, 1], 2) };
  const program = (_: object, { x, w }: Record<string, tf.Tensor>) => ({
    outputs: { y: tf.depthwiseConv2d(x as Four, w as Four, 1, 'valid', 'NHWC', 2) },
  });
  const expected = await runCpu(program, inputs);
  expect(expected['y']!.shape).toEqual([1, 5, 5, 16]);
  const plain = await openOnnxEngine({ convolutions: 'plain' });
  expect(await runOnnx(program, inputs, plain)).toBeAllClose(expected, closeTo(5e-6));
  expect(await runOnnx(program, inputs)).toBeAllClose(expected, closeTo(5e-6));
  await plain.dispose();
});
