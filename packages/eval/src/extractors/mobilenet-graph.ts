/** MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381) up to the expansion of its fourteenth block. */
import { conv2d, scope, type Tensors } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';

/** Strides of the depthwise convolutions of `expanded_conv_1` to `_12`; block 0 has stride 1 and no expansion. */
const STRIDES = [2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1] as const;

/** All convolutions; the weights file must have a weight and a bias for each. */
export const mobilenetUnits: Readonly<Record<string, { readonly depthwise: boolean }>> = Object.fromEntries([
  ['conv', { depthwise: false }],
  ['expanded_conv.depthwise', { depthwise: true }],
  ['expanded_conv.project', { depthwise: false }],
  ...STRIDES.flatMap((_, i) =>
    ['expand', 'depthwise', 'project'].map((part) => [
      `expanded_conv_${i + 1}.${part}`,
      { depthwise: part === 'depthwise' },
    ]),
  ),
  ['expanded_conv_13.expand', { depthwise: false }],
]);

/**
 * Images float32 [N, H, W, 3] in [-1, 1] → [N, H / 16, W / 16, 576] in [0, 6]. Batch norms are folded into the weights.
 * Each block: expand 1x1, depthwise 3x3, project 1x1, with a residual if the shapes match.
 */
export function mobilenetFeatureMap(weights: Tensors, images: tf.Tensor): tf.Tensor {
  let x = tf.relu6(convolution(weights, 'conv', images, 2));
  x = block(weights, 'expanded_conv', x, 1, false);
  for (const [i, stride] of STRIDES.entries()) x = block(weights, `expanded_conv_${i + 1}`, x, stride, true);
  return tf.relu6(convolution(weights, 'expanded_conv_13.expand', x, 1));
}

function block(weights: Tensors, name: string, x: tf.Tensor, stride: 1 | 2, expands: boolean): tf.Tensor {
  return scope(name, () => {
    const wide = expands ? tf.relu6(convolution(weights, `${name}.expand`, x, 1)) : x;
    const filter = weights[`${name}.depthwise.weight`]! as tf.Tensor4D;
    const places = tf.depthwiseConv2d(wide as tf.Tensor4D, filter, stride, 'same');
    const y = convolution(weights, `${name}.project`, tf.relu6(tf.add(places, weights[`${name}.depthwise.bias`]!)), 1);
    return stride === 1 && y.shape[3] === x.shape[3] ? tf.add(x, y) : y;
  });
}

/** With TensorFlow's SAME padding, which at stride 2 adds the extra zero at the bottom and right. */
function convolution(weights: Tensors, name: string, x: tf.Tensor, stride: 1 | 2): tf.Tensor {
  const filter = weights[`${name}.weight`]!;
  const pad = ([0, 1] as const).map((i): [number, number] => {
    const size = x.shape[i + 1]!;
    const total = Math.max(0, (Math.ceil(size / stride) - 1) * stride + filter.shape[i]! - size);
    return [Math.floor(total / 2), Math.ceil(total / 2)];
  }) as [[number, number], [number, number]];
  return conv2d(x, filter, { bias: weights[`${name}.bias`]!, strides: stride, pad });
}
