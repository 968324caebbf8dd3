import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { test, expect } from 'vitest';
import type { Tensors } from './engine.js';
import { openEagerEngine } from './index.js';
import { type OpCase, opCaseInputs, opCaseProgram, opCases } from './testing/op-cases.js';

const engine = await openEagerEngine('tfjs-cpu');

/** The op written with TF.js's own ops, whose gradients are TF.js's own. */
function composed(opCase: OpCase, { x, scale, offset, filter, bias, q, k, v }: Tensors): tf.Tensor {
  switch (opCase.op) {
    case 'groupNorm': {
      const { groups, epsilon } = opCase.attrs;
      const channels = x!.shape.at(-1)!;
      const places = x!.size / (x!.shape[0] * channels);
      const rows = tf.reshape(x!, [x!.shape[0], places, groups, channels / groups]);
      const { mean, variance } = tf.moments(rows, [1, 3], true);
      const normalized = tf.div(tf.sub(rows, mean), tf.sqrt(tf.add(variance, epsilon)));
      return tf.add(tf.mul(tf.reshape(normalized, x!.shape), scale!), offset!);
    }
    case 'layerNorm': {
      const { mean, variance } = tf.moments(x!, -1, true);
      const normalized = tf.div(tf.sub(x!, mean), tf.sqrt(tf.add(variance, opCase.attrs.epsilon)));
      return scale && offset ? tf.add(tf.mul(normalized, scale), offset) : normalized;
    }
    case 'silu':
      return tf.mul(x!, tf.sigmoid(x!));
    case 'gelu': {
      const scaled = tf.mul(x!, Math.SQRT1_2);
      if (opCase.attrs.approximate === 'none') return tf.mul(tf.mul(x!, 0.5), tf.add(tf.erf(scaled), 1));
      const cubic = tf.add(x!, tf.mul(tf.pow(x!, 3), 0.044715));
      return tf.mul(tf.mul(x!, 0.5), tf.add(tf.tanh(tf.mul(cubic, Math.sqrt(2 / Math.PI))), 1));
    }
    case 'conv2d': {
      const { strides, pad } = opCase.attrs;
      const y = tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, strides, [[0, 0], ...pad, [0, 0]]);
      return bias ? tf.add(y, bias) : y;
    }
    case 'attention':
      return tf.matMul(tf.softmax(tf.mul(tf.matMul(q!, k!, false, true), opCase.attrs.scale)), v!);
    default: {
      // 'upsampleNearest', by broadcasting. TF.js's own resizeNearestNeighbor has a wrong gradient on cpu for more than
      // one image: ResizeNearestNeighborGrad reads dy with the batch stride of x.
      const { factor } = opCase.attrs;
      const [n, h, w, c] = x!.shape as [number, number, number, number];
      const blocks = tf.mul(tf.reshape(x!, [n, h, 1, w, 1, c]), tf.ones([1, 1, factor, 1, factor, 1]));
      return tf.reshape(blocks, [...opCase.y]);
    }
  }
}

test.each(opCases)("$name: result and gradients are those of TF.js's own ops", async (opCase) => {
  const names = Object.keys(opCase.inputs);
  const inputs = opCaseInputs(opCase);
  const { dy, ...tensors } = Object.fromEntries(
    Object.entries(inputs).map(([name, { data, shape }]) => [name, tf.tensor(data, [...shape])]),
  );
  const expected = tf.valueAndGrads((...args: tf.Tensor[]) =>
    composed(opCase, Object.fromEntries(names.map((name, i) => [name, args[i]!]))),
  )(
    names.map((name) => tensors[name]!),
    dy,
  );
  const read = async (tensor: tf.Tensor) => ({ shape: tensor.shape, data: await tensor.data<'float32'>() });
  const gradients = await Promise.all(
    names.map(async (name, i) => [`d${name}`, await read(expected.grads[i]!)] as const),
  );

  const program = engine.compile(opCaseProgram(opCase));
  const { y, ...actual } = await program.run(await program.load({}), inputs);
  expect({ y: y! }).toBeAllClose(
    { y: await read(expected.value) },
    { rtol: 2e-6, relativeTo: 'norm', rtolOfAll: 1e-6 },
  );
  expect(actual).toBeAllClose(Object.fromEntries(gradients), { rtol: 1e-5, relativeTo: 'norm', rtolOfAll: 1e-6 });
});
