import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { autocast, currentPrecision, type Precision } from './index.js';

beforeAll(() => tf.setBackend('cpu'));

/** x^2, noting the precision in which its gradient is computed. */
function square(seen: Precision[]) {
  return tf.customGrad((x, save) => {
    (save as tf.GradSaveFunc)([x as tf.Tensor]);
    return {
      value: tf.square(x as tf.Tensor),
      gradFunc: (dy: tf.Tensor, [kept]: tf.Tensor[]) => {
        seen.push(currentPrecision());
        return tf.mul(dy, tf.mul(kept!, 2));
      },
    };
  });
}

it('sets the innermost precision, and restores the outer one, also after an error', () => {
  expect(currentPrecision()).toBe('f32');
  const inner = autocast('f16', () => [currentPrecision(), autocast('f32', currentPrecision), currentPrecision()]);
  expect(inner).toEqual(['f16', 'f32', 'f16']);
  expect(() =>
    autocast('bf16', () => {
      throw new Error('stop');
    }),
  ).toThrow('stop');
  expect(currentPrecision()).toBe('f32');
});

it('applies to gradients, the innermost first, and changes nothing on an eager backend', () => {
  const seen: Precision[] = [];
  const op = square(seen);
  const plain = (x: tf.Tensor) => tf.sum(op(tf.sin(op(x))));
  const mixed = (x: tf.Tensor) => tf.sum(autocast('f16-emulated', () => op(tf.sin(autocast('f32', () => op(x))))));
  const x = tf.tensor1d([0.3, -1.2, 2]);
  const expected = [...tf.grad(plain)(x).dataSync()];
  expect(seen).toEqual(['f32', 'f32']);
  seen.length = 0;
  expect([...tf.grad(mixed)(x).dataSync()]).toEqual(expected);
  expect(seen).toEqual(['f16-emulated', 'f32']);
});

it('refuses an unknown precision', () => {
  expect(() => autocast('f8' as Precision, () => 0)).toThrowWith({ type: RangeError, contains: ['precision', 'f8'] });
});
