import * as tf from '@tensorflow/tfjs-core';

export interface SinusoidOptions {
  /** The frequencies decrease from 1 to 1/10000 over `width / 2 - freqShift` steps. Default 0. */
  readonly freqShift?: number;
  /** Whether the cosines come before the sines. */
  readonly cosFirst: boolean;
}

/**
 * Sinusoidal timestep embedding, Sec. 3.5 of Vaswani et al. 2017, arXiv:1706.03762, as used by DDPM:
 * sin and cos of t · 10000^(-i / (width/2 - freqShift)) for i = 0, ..., width/2 - 1.
 *
 * t float32 [N] → [N, width]. An odd width is padded with a zero.
 */
export function sinusoid(t: tf.Tensor, width: number, { freqShift = 0, cosFirst }: SinusoidOptions): tf.Tensor {
  const half = Math.floor(width / 2);
  // Round at the same points as the reference's float32 arithmetic: at t = 999, the last bit changes the fifth digit.
  const slope = Math.fround(-Math.log(10000));
  const frequencies = Float32Array.from({ length: half }, (_, i) =>
    Math.exp(Math.fround(Math.fround(slope * i) / (half - freqShift))),
  );
  const angles = tf.mul(tf.reshape(t, [-1, 1]), tf.tensor2d(frequencies, [1, half]));
  const [sin, cos] = [tf.sin(angles), tf.cos(angles)];
  const both = tf.concat(cosFirst ? [cos, sin] : [sin, cos], 1);
  return width % 2 === 0
    ? both
    : tf.pad(both, [
        [0, 0],
        [0, 1],
      ]);
}
