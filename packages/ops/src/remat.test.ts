import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { conv2d, groupNorm, remat, silu } from './index.js';
import { caseValues } from './testing/op-cases.js';

beforeAll(() => tf.setBackend('cpu'));

const tensor = (shape: number[], seed: number) => tf.tensor(caseValues({ shape }, seed).data, shape);

describe('remat', () => {
  const parameters = () => ({ filter: tensor([3, 3, 4, 4], 2), scale: tensor([4], 3), unused: tensor([2], 4) });
  const block = ([x, t]: tf.Tensor[], { filter, scale }: Record<string, tf.Tensor>) =>
    tf.add(x!, conv2d(silu(groupNorm(tf.add(x!, t!), scale!, tf.zeros([4]), { groups: 2 })), filter!));

  /** Value of two blocks, and its gradients with respect to each input and parameter. */
  const gradients = (apply: typeof block): Float32Array[] => {
    const { filter, scale, unused } = parameters();
    const loss = (...[x, t, f, s, u]: tf.Tensor[]) => {
      const own = { filter: f!, scale: s!, unused: u! };
      const first = apply([x!, t!], own);
      const y = apply([tf.mul(first, 0.5), t!], own);
      return tf.sum<tf.Scalar>(tf.mul(y, tf.add(tf.sin(y), tf.mul(tf.sum(u!), 0))));
    };
    const { value, grads } = tf.valueAndGrads(loss)([
      tensor([2, 4, 4, 4], 1),
      tensor([1, 1, 1, 4], 5),
      filter,
      scale,
      unused,
    ]);
    return [value, ...grads].map((t) => t.dataSync<'float32'>());
  };

  it('has the same value and gradients as the plain function, for inputs and parameters', () => {
    const plain = gradients(block);
    const again = gradients((inputs, own) => remat(block, inputs, own));
    expect(again).toEqual(plain); // the same kernels on the same numbers
  });

  it('runs the function once in the forward and once in the backward pass, and frees its intermediate tensors', () => {
    let calls = 0;
    const x = tensor([8], 1);
    const before = tf.memory().numTensors;
    const forward = tf.tidy(() =>
      tf.valueAndGrad((v: tf.Tensor) =>
        tf.sum(
          remat(
            ([a]) => {
              calls++;
              return tf.exp(tf.sin(tf.square(a!)));
            },
            [v],
          ),
        ),
      )(x),
    );
    expect(calls).toBe(2);
    expect(tf.memory().numTensors).toBe(before + 2);
    tf.dispose([forward.value, forward.grad]);
  });

  it('may be nested', () => {
    const inner = ([a]: tf.Tensor[]) => tf.sin(tf.square(a!));
    const nested = (v: tf.Tensor) => tf.sum(remat(([a]) => tf.exp(remat(inner, [a!])), [v]));
    const plain = (v: tf.Tensor) => tf.sum(tf.exp(inner([v])));
    const x = tensor([8], 1);
    expect(tf.grad(nested)(x).dataSync()).toEqual(tf.grad(plain)(x).dataSync());
  });

  it('refuses other dtypes and second derivatives', () => {
    expect(() => remat(([x]) => x!, [tf.tensor1d([1], 'int32')])).toThrowWith({
      type: TypeError,
      contains: ['remat: inputs[0]', 'int32'],
    });
    const once = (x: tf.Tensor) => tf.grad((v: tf.Tensor) => tf.sum(remat(([a]) => tf.square(a!), [v])))(x);
    expect(() => tf.grad((x: tf.Tensor) => tf.sum(once(x)))(tf.tensor1d([1]))).toThrowWith({
      type: Error,
      contains: ['remat', 'second derivatives'],
    });
  });
});
