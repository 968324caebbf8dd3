import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { currentScope, scope, silu } from './index.js';

beforeAll(() => tf.setBackend('cpu'));

it('sets the innermost name, and restores the outer one, also after an error', () => {
  expect(currentScope()).toBe('');
  const names = scope('outer', () => [currentScope(), scope('outer.inner', currentScope), currentScope()]);
  expect(names).toEqual(['outer', 'outer.inner', 'outer']);
  expect(() =>
    scope('failing', () => {
      throw new Error('stop');
    }),
  ).toThrow('stop');
  expect(currentScope()).toBe('');
});

it('names the gradients of TF.js ops and of custom ops, and does not change their values', () => {
  const seen: string[] = [];
  const watched = tf.customGrad((x, save) => {
    (save as tf.GradSaveFunc)([x as tf.Tensor]);
    return {
      value: tf.square(x as tf.Tensor),
      gradFunc: (dy: tf.Tensor, [kept]: tf.Tensor[]) => {
        seen.push(currentScope());
        return tf.mul(dy, tf.mul(kept!, 2));
      },
    };
  });
  const plain = (x: tf.Tensor) => tf.sum(silu(tf.sin(tf.square(x))));
  const named = (x: tf.Tensor) => tf.sum(scope('outer', () => silu(tf.sin(scope('outer.square', () => watched(x))))));
  const x = tf.tensor1d([0.3, -1.2, 2]);
  expect([...tf.grad(named)(x).dataSync()]).toEqual([...tf.grad(plain)(x).dataSync()]);
  expect(seen).toEqual(['gradient of outer.square']);
  expect(currentScope()).toBe('');
});
