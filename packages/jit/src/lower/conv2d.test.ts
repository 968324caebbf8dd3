import { conv2d } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { TraceError } from '../errors.js';
import { asProgram, expectSame, floats, type Fn, runCpu, runOnnx } from '../testing.js';

type Pad = Parameters<typeof tf.conv2d>[3];
const cases: { name: string; x: number[]; w: number[]; strides: number; pad: Pad; dilation?: number }[] = [
  { name: '3x3 same', x: [2, 6, 5, 3], w: [3, 3, 3, 4], strides: 1, pad: 'same' },
  { name: '3x3 valid', x: [2, 6, 5, 3], w: [3, 3, 3, 4], strides: 1, pad: 'valid' },
  { name: '1x1', x: [2, 6, 5, 3], w: [1, 1, 3, 4], strides: 1, pad: 'same' },
  { name: '5x1 same', x: [1, 6, 5, 3], w: [5, 1, 3, 2], strides: 1, pad: 'same' },
  { name: '2x2 same, uneven padding', x: [1, 6, 5, 3], w: [2, 2, 3, 2], strides: 1, pad: 'same' },
  { name: '3x3 stride 2 same', x: [2, 6, 5, 3], w: [3, 3, 3, 4], strides: 2, pad: 'same' },
  {
    name: '3x3 stride 2 explicit pad',
    x: [2, 6, 6, 3],
    w: [3, 3, 3, 4],
    strides: 2,
    pad: [
      [0, 0],
      [0, 1],
      [0, 1],
      [0, 0],
    ],
  },
  { name: '3x3 stride 2 valid leaves a row over', x: [2, 6, 6, 3], w: [3, 3, 3, 4], strides: 2, pad: 'valid' },
  { name: '4x4 patches', x: [1, 8, 8, 3], w: [4, 4, 3, 5], strides: 4, pad: 'valid' },
  { name: 'pad wider than the kernel reaches', x: [1, 5, 5, 2], w: [1, 1, 2, 3], strides: 1, pad: 1 },
];

describe('conv2d and its gradients', () => {
  it.each(cases)('$name', async ({ x, w, strides, pad }) => {
    const fn = (inputs: Record<string, tf.Tensor>) =>
      tf.conv2d(inputs['x'] as tf.Tensor4D, inputs['w'] as tf.Tensor4D, strides, pad);
    await expectSame(fn, { x: floats(x), w: floats(w, 3) }, { tolerance: 1e-5 });
  });
});

it('stays in NCHW from one convolution to the next', async () => {
  const fn = ({ x, w, v }: Record<string, tf.Tensor>) => {
    const h = tf.relu(tf.add(tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, 'same'), 0.5));
    return tf.add(tf.conv2d(h as tf.Tensor4D, v as tf.Tensor4D, 1, 'same'), x!);
  };
  await expectSame(
    fn,
    { x: floats([2, 4, 4, 3]), w: floats([3, 3, 3, 5], 3), v: floats([3, 3, 5, 3], 4) },
    { tolerance: 1e-5 },
  );
});

it('dilated convolution', async () => {
  const program = (_: unknown, { x, w }: Record<string, tf.Tensor>) => ({
    outputs: { y: tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, 'same', 'NHWC', 2) },
  });
  const inputs = { x: floats([1, 7, 7, 2]), w: floats([3, 3, 2, 3], 3) };
  const [a, b] = [(await runOnnx(program, inputs))['y']!, (await runCpu(program, inputs))['y']!];
  expect(a.shape).toEqual(b.shape);
  a.data.forEach((value, i) => expect(value).toBeCloseTo(b.data[i]!, 4));
});

describe('pools', () => {
  it.each([
    [2, 2, 'valid'],
    [3, 2, 'same'],
    [3, 1, 'same'],
  ] as const)('size %i stride %i %s', async (size, strides, pad) => {
    const inputs = { x: floats([2, 6, 5, 3]) };
    // TF.js's gradient divides by the whole window, but its forward pass only counts the pixels inside the image.
    await expectSame(({ x }) => tf.avgPool(x as tf.Tensor4D, size, strides, pad), inputs, { grad: pad === 'valid' });
    await expectSame(({ x }) => tf.maxPool(x as tf.Tensor4D, size, strides, pad), inputs, { grad: false });
  });
});

it('the gradient of average pooling divides by the pixels inside the image', async () => {
  const program = (_: unknown, { x }: Record<string, tf.Tensor>) => ({
    outputs: { dx: tf.grad((v) => tf.sum(tf.avgPool(v as tf.Tensor4D, 2, 2, 'same')))(x!) },
  });
  const { dx } = await runOnnx(program, { x: floats([1, 3, 3, 1]) });
  // Windows of 4, 2, 2 and 1 pixels inside the 3 x 3 image.
  expect([...dx!.data]).toEqual([0.25, 0.25, 0.5, 0.25, 0.25, 0.5, 0.5, 0.5, 1]);
});

describe("@dm/ops' conv2d and its gradients", () => {
  it.each([
    { name: '3x3', x: [2, 6, 5, 3], w: [3, 3, 3, 4], options: {} },
    { name: '3x3 stride 2, symmetric', x: [2, 6, 6, 3], w: [3, 3, 3, 4], options: { strides: 2 } },
    { name: '3x3 stride 2, odd image', x: [2, 7, 5, 3], w: [3, 3, 3, 4], options: { strides: 2 } },
    {
      name: '3x3 stride 2, padded below and right',
      x: [2, 6, 6, 3],
      w: [3, 3, 3, 4],
      options: {
        strides: 2,
        pad: [
          [0, 1],
          [0, 1],
        ],
      },
    },
    { name: '1x1', x: [2, 4, 4, 3], w: [1, 1, 3, 4], options: {} },
    { name: '2x2 patches', x: [2, 4, 4, 3], w: [2, 2, 3, 4], options: { strides: 2, pad: 0 } },
    { name: '3x3, channels in blocks', x: [2, 6, 5, 32], w: [3, 3, 32, 16], options: {} },
    { name: '3x3 stride 2, channels in blocks', x: [2, 6, 6, 16], w: [3, 3, 16, 32], options: { strides: 2 } },
    { name: '3x3 stride 2 by 1', x: [2, 6, 4, 3], w: [3, 3, 3, 4], options: { strides: [2, 1] } },
    { name: '3x3 stride 2 by 1, in blocks', x: [2, 6, 4, 16], w: [3, 3, 16, 16], options: { strides: [2, 1] } },
    { name: '3x3 stride 1 by 2, in blocks', x: [2, 6, 4, 16], w: [3, 3, 16, 16], options: { strides: [1, 2] } },
    { name: '1x1, channels in blocks', x: [2, 4, 4, 16], w: [1, 1, 16, 16], options: {} },
    { name: '3x3 pad 2', x: [1, 4, 4, 2], w: [3, 3, 2, 3], options: { pad: 2 } },
    { name: '3x3 pad 3, wider than the kernel reaches', x: [1, 4, 4, 2], w: [3, 3, 2, 3], options: { pad: 3 } },
  ] as const)('$name', async ({ x, w, options }) => {
    const inputs = { x: floats(x), w: floats(w, 3), b: floats(w.slice(3), 4) };
    await expectSame(({ x, w, b }) => conv2d(x!, w!, { ...options, bias: b! }), inputs, { tolerance: 1e-5 });
  });
});

it('refuses sizes that ONNX rounds otherwise', async () => {
  const inputs = { x: floats([1, 3, 3, 4]), f: floats([2, 2, 4, 4]), tall: floats([3, 1, 4, 4]) };
  const [image, filter] = [(t?: tf.Tensor) => t as tf.Tensor4D, (t?: tf.Tensor) => t as tf.Tensor4D];
  const fns: Fn[] = [
    ({ x }) => tf.avgPool(image(x), 2, 2, 0, 'ceil'),
    ({ x }) => tf.maxPool(image(x), 2, 2, 0, 'ceil'),
    ({ x, f }) => tf.conv2d(image(x), filter(f), 2, 0, 'NHWC', 1, 'ceil'),
    ({ x, tall }) => tf.conv2d(image(x), filter(tall), 1, 1),
  ];
  for (const fn of fns) {
    await expect(runOnnx(asProgram(fn), inputs)).rejects.toThrowWith({ type: TraceError, contains: ['ONNX computes'] });
  }
  await expectSame(({ x }) => tf.avgPool(image(x), 2, 1, 0, 'ceil'), { x: inputs.x });
});
