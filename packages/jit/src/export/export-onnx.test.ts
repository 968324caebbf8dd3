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
import { expectClose, floats, ints, runCpu } from '../testing.js';
import { exportOnnx, type OnnxInput } from './export-onnx.js';

/** What ONNX Runtime makes of a file. */
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

/** One file, at three batch sizes, against TF.js' own `cpu`. */
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
    expectClose(await run(file, inputs), await runCpu(program, inputs), 2e-5);
  }
}

const weights = floats([3, 3, 6, 6], 4);
const tensorOf = ({ data, shape }: NdArray) => tf.tensor(data, [...shape]);

describe('a file for any batch size', () => {
  it('of convolutions, norms and attention', async () => {
    await expectSameAtEachSize((x) => {
      const ones = tf.ones([6]);
      const h = silu(groupNorm(conv2d(x, tensorOf(weights) as tf.Tensor4D), ones, tf.zeros([6]), { groups: 3 }));
      const tokens = tf.reshape(layerNorm(tf.reshape(h, [-1, 16, 6])), [x.shape[0], 16, 2, 3]);
      const heads = tf.transpose(tokens, [0, 2, 1, 3]) as tf.Tensor4D;
      const mixed = tf.transpose(attention(heads, heads, heads, { scale: 0.5 }), [0, 2, 1, 3]);
      return upsampleNearest(tf.add(x, gelu(tf.reshape(mixed, x.shape))) as tf.Tensor4D, { factor: 2 });
    });
  });

  it('of what moves, repeats and joins images', async () => {
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

  it('of gradients by the images', async () => {
    await expectSameAtEachSize(
      tf.grad((x: tf.Tensor) => tf.square(conv2d(x as tf.Tensor4D, tensorOf(weights) as tf.Tensor4D))),
    );
  });

  it('of equal rows of numbers, one for each image', async () => {
    await expectSameAtEachSize((x) => {
      const rows = Array.from({ length: x.shape[0] }, () => [1, -2, 0.5]);
      return tf.add(tf.expandDims(tf.sum(x, [1, 2, 3]), 1), tf.tensor2d(rows));
    });
  });
});
