import * as tf from '@tensorflow/tfjs-core';
import { declare, type Scope } from '../scope.js';
import { sinusoid } from '../sinusoid.js';
import type { Unit } from '../units.js';
import type { UNet2DConfig } from './config.js';

/** The first part of the time embedding: t float32 [N] → [N, width]. */
export interface TimeProjection {
  readonly width: number;
  readonly project: Unit;
}

export function timeProjection(scope: Scope, config: UNet2DConfig): TimeProjection {
  const channels = config.block_out_channels[0]!;
  const { freq_shift: freqShift, flip_sin_to_cos: cosFirst } = config;
  if (config.time_embedding_type === 'positional') {
    return { width: channels, project: (_call, t) => sinusoid(t, channels, { freqShift, cosFirst }) };
  }
  return { width: 2 * channels, project: fourierFeatures(scope, channels) };
}

/**
 * `GaussianFourierProjection` of diffusers: sin and cos of 2π w ln t with fixed w ~ N(0, 16²), Song et al. 2021,
 * arXiv:2011.13456. Sines come first: the reference ignores `flip_sin_to_cos` here.
 */
function fourierFeatures(scope: Scope, channels: number): Unit {
  const weight = declare(scope, 'weight', {
    kind: 'vector',
    shape: [channels],
    init: { kind: 'normal', std: 16 },
    trainable: false,
  });
  return (ctx, t) => {
    const angles = tf.mul(tf.mul(tf.reshape(tf.log(t), [-1, 1]), weight(ctx)), 2 * Math.PI);
    return tf.concat([tf.sin(angles), tf.cos(angles)], 1);
  };
}
