import * as tf from '@tensorflow/tfjs-core';
import { checkChoice, checkFloat } from './checks.js';
import { customOp, emit } from './custom-op.js';

export interface GeluOptions {
  /** `none`: the exact Φ; `tanh`: its tanh approximation. Default `none`, as in PyTorch. */
  readonly approximate?: 'none' | 'tanh';
}

/**
 * GELU activation, Sec. 2 of Hendrycks & Gimpel 2016, arXiv:1606.08415:
 * y = x Φ(x) with Φ(x) = (1 + erf(x / sqrt(2))) / 2, or its approximation
 * y = x/2 (1 + tanh(sqrt(2/π) (x + 0.044715 x³))).
 *
 * x float32 of any shape → y of the same shape.
 * @throws {TypeError} if x is not float32
 * @throws {RangeError} if `approximate` is unknown
 */
export function gelu(x: tf.Tensor, { approximate = 'none' }: GeluOptions = {}): tf.Tensor {
  checkFloat('gelu: x', x);
  checkChoice('gelu: approximate', approximate, Object.keys(forms));
  const form = forms[approximate];
  return customOp(
    'gelu',
    [x],
    () => {
      const [y] = emit('DmGelu', { x }, { approximate }, () => [form.value(x)]);
      return { y, saved: [x] };
    },
    (dy, [saved]: [tf.Tensor]) =>
      emit('DmGeluGrad', { dy, x: saved }, { approximate }, () => [tf.mul(dy, form.slope(saved))]),
  );
}

interface Form {
  readonly value: (x: tf.Tensor) => tf.Tensor;
  readonly slope: (x: tf.Tensor) => tf.Tensor;
}

const phi = (x: tf.Tensor) => tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5);

const exact: Form = {
  value: (x) => tf.mul(x, phi(x)),
  /** Φ(x) + x exp(-x²/2) / sqrt(2π). */
  slope(x) {
    const density = tf.mul(tf.exp(tf.mul(tf.square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
    return tf.add(phi(x), tf.mul(x, density));
  },
};

/** (1 + tanh(u / 2)) / 2 = sigmoid(u), here with u = a x + b x³. */
const a = 2 * Math.sqrt(2 / Math.PI);
const b = 0.044715 * a;

const approximated: Form = {
  value: (x) => tf.mul(x, tf.sigmoid(tf.mul(x, tf.add(tf.mul(tf.square(x), b), a)))),
  /** s + x s (1 - s) u' = s (1 + (1 - s) x u') with s = sigmoid(u). */
  slope(x) {
    const cubic = tf.mul(tf.square(x), b);
    const s = tf.sigmoid(tf.mul(x, tf.add(cubic, a)));
    const rise = tf.mul(x, tf.add(tf.mul(cubic, 3), a));
    return tf.mul(s, tf.add(tf.mul(tf.sub(1, s), rise), 1));
  },
};

const forms = { none: exact, tanh: approximated };
