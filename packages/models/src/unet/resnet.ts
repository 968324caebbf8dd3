import * as tf from '@tensorflow/tfjs-core';
import { upsampleNearest } from '@dm/ops';
import { child, type ForwardContext, declareDropout, recomputable, type Scope } from '../scope.js';
import { conv, groupNorm, linear } from '../units.js';

/** An elementwise function. */
export type Activation = (x: tf.Tensor) => tf.Tensor;

/** A unit with a time embedding: `temb` [N, width] is the time (and class) embedding after the activation. */
export type TimedUnit = (ctx: ForwardContext, x: tf.Tensor, temb: tf.Tensor) => tf.Tensor;

/** Settings shared by all residual blocks of a UNet. */
export interface ResnetSettings {
  readonly tembWidth: number;
  readonly groups: number;
  readonly epsilon: number;
  readonly timeScaleShift: 'default' | 'scale_shift';
  readonly dropout: number;
  readonly activation: Activation;
}

export interface ResnetShape {
  readonly inChannels: number;
  readonly outChannels: number;
  /** [H, W] of the output. */
  readonly size: readonly [number, number];
  /** Halves or doubles the image size between the first activation and the first convolution. */
  readonly resize?: 'down' | 'up';
  /** How to resize. Default: average pooling and nearest neighbor, without a convolution on the shortcut. */
  readonly resample?: Activation;
  /** Groups of the two norms. Default: as the settings say. */
  readonly normGroups?: readonly [number, number];
  /** The output is divided by this factor. Default 1. */
  readonly scaleFactor?: number;
}

/**
 * `ResnetBlock2D` of diffusers: x + conv2(act(norm2(conv1(act(norm1(x))) + time))), with a 1x1 convolution on the
 * shortcut if the number of channels changes. The time embedding is added before norm2, or (`scale_shift`) scales and
 * shifts its output. The reference applies the activation to the embedding in each block; here the model does so once.
 */
export function resnet(
  scope: Scope,
  { inChannels, outChannels, size, resize, resample, normGroups, scaleFactor = 1 }: ResnetShape,
  { tembWidth, groups, epsilon, timeScaleShift, dropout, activation }: ResnetSettings,
): TimedUnit {
  const positions = size[0] * size[1];
  const positionsBefore = resize === 'down' ? 4 * positions : resize === 'up' ? positions / 4 : positions;
  const scaleShift = timeScaleShift === 'scale_shift';
  const [groups1, groups2] = normGroups ?? [groups, groups];
  const norm1 = groupNorm(child(scope, 'norm1'), inChannels, { groups: groups1, epsilon, positions: positionsBefore });
  const conv1 = conv(child(scope, 'conv1'), { inChannels, outChannels, size });
  const timeProj = linear(child(scope, 'time_emb_proj'), tembWidth, scaleShift ? 2 * outChannels : outChannels);
  const norm2 = groupNorm(child(scope, 'norm2'), outChannels, { groups: groups2, epsilon, positions });
  const mask = declareDropout(child(scope, 'dropout'), [...size, outChannels], dropout);
  const conv2 = conv(child(scope, 'conv2'), { inChannels: outChannels, outChannels, size });
  const shortcut =
    inChannels === outChannels && resample === undefined
      ? undefined
      : conv(child(scope, 'conv_shortcut'), { inChannels, outChannels, kernel: 1, size });

  return recomputable(scope, (ctx, x, temb) => {
    const resized =
      resample ??
      ((t: tf.Tensor) => (resize === undefined ? t : resize === 'down' ? averageHalf(t) : upsampleNearest(t)));
    let h = conv1(ctx, resized(activation(norm1(ctx, x))));
    const time = tf.reshape(timeProj(ctx, temb), [-1, 1, 1, scaleShift ? 2 * outChannels : outChannels]);
    if (scaleShift) {
      const [scale, shift] = tf.split(time, 2, 3) as [tf.Tensor, tf.Tensor];
      h = tf.add(tf.mul(norm2(ctx, h), tf.add(scale, 1)), shift);
    } else {
      h = norm2(ctx, tf.add(h, time));
    }
    h = activation(h);
    const keep = mask(ctx);
    if (keep !== undefined) h = tf.mul(h, keep);
    h = conv2(ctx, h);
    const input = resized(x);
    const sum = tf.add(shortcut === undefined ? input : shortcut(ctx, input), h);
    return scaleFactor === 1 ? sum : tf.div(sum, scaleFactor);
  });
}

/** Average pooling of 2x2 pixels. */
const averageHalf = (x: tf.Tensor) => tf.avgPool(x as tf.Tensor4D, 2, 2, 'valid');
