import {
  attention,
  conv2d,
  gelu,
  groupNorm,
  layerNorm,
  type NdArray,
  type Program,
  silu,
  upsampleNearest,
} from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { closeTo, floats, ints, runCpu } from '../testing.js';
import { exportOnnx, type OnnxInput } from './export-onnx.js';

/** Runs a file with ONNX Runtime. */
async function run(file: Uint8Array, feeds: Record<string, NdArray>) {
  const session = await InferenceSession.create(file, { intraOpNumThreads: 1 });
  const wide = (name: string) => session.inputMetadata.some((m) => m.name === name && m.isTensor && m.type === 'int64');
  const tensors = Object.entries(feeds).map(([name, { dtype, data, shape }]): [string, Tensor] => [
    name,
    wide(name) ? new Tensor('int64', BigInt64Array.from(data, BigInt), shape) : new Tensor(dtype, data, shape),
  ]);
  const results = await session.run(Object.fromEntries(tensors));
  await session.release();
  return Object.fromEntries(
    Object.entries(results).map(([name, { type, dims, data }]) => [
      name,
      { dtype: type, shape: dims, data: data as Float32Array } as NdArray,
    ]),
  );
}

const given = (shape: readonly (number | string)[]): OnnxInput => ({ dtype: 'float32', shape });

/** Compares one file at three batch sizes with TF.js's `cpu` backend. */
async function expectSameAtEachSize(
  f: (x: tf.Tensor4D) => tf.Tensor | tf.Tensor[],
  image: readonly number[] = [4, 4, 6],
): Promise<void> {
  const program: Program = (_, { x }) => {
    const results = [f(x as tf.Tensor4D)].flat();
    return { outputs: Object.fromEntries(results.map((y, i) => [`y${i}`, y])) };
  };
  const file = exportOnnx(program, { inputs: { x: given(['batch', ...image]) } });
  for (const n of [1, 2, 5]) {
    const inputs = { x: floats([n, ...image]) };
    expect(await run(file, inputs)).toBeAllClose(await runCpu(program, inputs), closeTo(2e-5));
  }
}

const weights = floats([3, 3, 6, 6], 4);
const tensorOf = ({ data, shape }: NdArray) => tf.tensor(data, [...shape]);

describe('a file for any batch size', () => {
  it('of convolutions, norms and attention', async () => {
    await expectSameAtEachSize((x) => {
      const ones = tf.ones([6]);
      const h = silu(groupNorm(conv2d(x, tensorOf(weights)), ones, tf.zeros([6]), { groups: 3 }));
      const tokens = tf.reshape<tf.Rank.R4>(layerNorm(tf.reshape(h, [-1, 16, 6])), [x.shape[0], 16, 2, 3]);
      const heads = tf.transpose(tokens, [0, 2, 1, 3]);
      const mixed = tf.transpose(attention(heads, heads, heads, { scale: 0.5 }), [0, 2, 1, 3]);
      return upsampleNearest(tf.add<tf.Tensor4D>(x, gelu(tf.reshape(mixed, x.shape))), { factor: 2 });
    });
  });

  it('of ops that move, repeat and concatenate images', async () => {
    await expectSameAtEachSize((x) => {
      const n = x.shape[0];
      const twice = tf.concat([x, tf.mul(x, 2)]);
      return [
        tf.slice(twice, [n, 0, 0, 0], [n, 4, 2, 6]),
        tf.reshape(twice, [n, 2, 96]),
        tf.tile(tf.ones([1, 3]), [n, 2]),
        tf.broadcastTo(tf.reshape(tf.range(0, 3, 1), [1, 3]), [n, 3]),
        ...tf.split(twice, 2),
        tf.pad(x, [
          [0, 0],
          [1, 1],
          [0, 2],
          [0, 0],
        ]),
        tf.add(tf.zeros([n, 4]), tf.reshape(tf.sum(x, [1, 2, 3]), [n, 1])),
      ];
    });
  });

  it('of gradients with respect to the images', async () => {
    await expectSameAtEachSize(
      tf.grad((x: tf.Tensor) => tf.square(conv2d(x as tf.Tensor4D, tensorOf(weights) as tf.Tensor4D))),
    );
  });

  it('of a constant row that is repeated for each image', async () => {
    await expectSameAtEachSize((x) => {
      const rows = Array.from({ length: x.shape[0] }, () => [1, -2, 0.5]);
      return tf.add(tf.expandDims(tf.sum(x, [1, 2, 3]), 1), tf.tensor2d(rows));
    });
  });
});

describe('a file', () => {
  it('contains the weights by name and has int64 inputs', async () => {
    const table = floats([5, 3], 2);
    const program: Program = ({ 'embed.weight': embed }, { labels }) => ({
      outputs: { rows: tf.gather(embed!, labels!) },
    });
    const file = exportOnnx(program, {
      weights: { 'embed.weight': table },
      inputs: { labels: { dtype: 'int64', shape: ['batch'] } },
      description: 'Rows of a table.',
      metadata: { source: 'a test' },
    });
    const { rows } = await run(file, { labels: ints([4, 0, 4]) });
    expect([...rows!.data]).toEqual([4, 0, 4].flatMap((i) => [...table.data.subarray(3 * i, 3 * i + 3)]));
    const text = Buffer.from(file).toString('latin1');
    for (const part of ['embed.weight', 'batch', 'Rows of a table.', 'source', 'a test']) expect(text).toContain(part);
  });

  it('of fixed shapes can be a training step with the state as inputs and outputs', async () => {
    const program: Program = ({ w }, { x, lr }) => {
      const { value, grad } = tf.valueAndGrad((v: tf.Tensor) => tf.mean<tf.Scalar>(tf.square(tf.matMul(x!, v))))(w!);
      return { state: { w: tf.sub(w!, tf.mul(lr!, grad)) }, outputs: { loss: value } };
    };
    const [w, x, lr] = [floats([4, 1], 2), floats([3, 4]), floats([])];
    const inputs = { x: given([3, 4]), lr: given([]) };
    const results = await run(exportOnnx(program, { state: { w }, inputs }), { 'state.w': w, x, lr });
    expect(Object.keys(results).toSorted()).toEqual(['loss', 'next.w']);
    const eager = await runCpu(
      (_, all) => {
        const { state, outputs } = program({ w: all['w']! }, all);
        return { outputs: { 'next.w': state!['w']!, ...outputs } };
      },
      { w, x, lr },
    );
    expect(results).toBeAllClose(eager, closeTo(1e-6));
  });
});

describe('refused', () => {
  const of =
    (f: (x: tf.Tensor) => tf.Tensor, shape: readonly (number | string)[] = ['batch', 3]) =>
    () =>
      exportOnnx((_, { x }) => ({ outputs: { y: f(x!) } }), { inputs: { x: given(shape) } });

  it.each<[string, (x: tf.Tensor) => tf.Tensor, RegExp]>([
    [
      'the mean over the batch',
      (x) => tf.div(tf.sum(x), x.shape[0]),
      /RealDiv.*constant float32 \[\].*different values/s,
    ],
    ['one node for each image', (x) => tf.addN(tf.unstack(x)), /Unpack\/Split.*with 127 outputs.*with 131 outputs/],
    [
      'a table as long as the batch',
      (x) => tf.mul(x, tf.expandDims(tf.range(0, x.shape[0], 1), 1)),
      /constant float32 \[127\]/,
    ],
    ['all images except one', (x) => tf.slice(x, [0, 0], [x.shape[0] - 1, 3]), /Slice.*\[126, 3\] or \[130, 3\]/],
    ['other numbers of nodes', (x) => (x.shape[0] > 130 ? tf.sqrt(tf.abs(x)) : tf.abs(x)), /batch size/],
  ])('%s', (_, f, message) => {
    expect(of(f)).toThrow(expect.objectContaining({ code: 'TRACE_FAILED', message: expect.stringMatching(message) }));
  });

  it('two named dimensions', () => {
    expect(of((x) => x, ['batch', 'width'])).toThrow(
      expect.objectContaining({ name: 'RangeError', message: expect.stringContaining('batch and width') }),
    );
  });

  it('weights of 2 GiB, before tracing', () => {
    const big = { dtype: 'float32', shape: [2 ** 29], data: { byteLength: 2 ** 31 } } as unknown as NdArray;
    const program: Program = () => expect.fail('traced');
    expect(() => exportOnnx(program, { weights: { big }, inputs: {} })).toThrow(
      expect.objectContaining({ name: 'RangeError', message: expect.stringContaining('2.00 GiB') }),
    );
  });

  it('weights that the program changes, and two values of the same name', () => {
    const w = floats([3]);
    const program: Program = (state, { x }) => ({ state: { w: tf.add(state['w']!, x!) }, outputs: { y: x! } });
    expect(() => exportOnnx(program, { weights: { w }, inputs: { x: given([3]) } })).toThrow(
      expect.objectContaining({ code: 'TRACE_FAILED', message: expect.stringMatching(/"w".*`state`/) }),
    );
    const same: Program = (state, { x }) => ({ outputs: { w: tf.add(state['w']!, x!) } });
    expect(() => exportOnnx(same, { weights: { w }, inputs: { x: given([3]) } })).toThrow(
      expect.objectContaining({ name: 'RangeError', message: expect.stringContaining('"w"') }),
    );
  });
});
