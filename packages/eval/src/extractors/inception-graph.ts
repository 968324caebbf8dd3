/**
 * InceptionV3 as FID defines it: the TensorFlow graph of 2015-12-05, as implemented in mseitzer/pytorch-fid. It differs
 * from torchvision's network in the pooling branches (`averagePool`, and the max pooling in Mixed_7c) and in its 1008
 * classes.
 */
import { conv2d, scope, type Tensors } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { inceptionUnits } from './inception-units.js';

export interface InceptionOutputs {
  /** pytorch-fid's feature taps by number of channels: maps [N, h, w, c]; 2048 is globally averaged. */
  readonly taps: Readonly<Record<64 | 192 | 768 | 2048, tf.Tensor>>;
  /** The first branch of Mixed_6d, [N, h, w, 192]; at 299x299 a map of 17x17. */
  readonly mixed6Conv: tf.Tensor;
}

/**
 * Images are float32 [N, H, W, 3] in [-1, 1], H and W at least 75. `weights` has `<unit>.weight` (HWIO) and
 * `<unit>.bias` for each of `inceptionUnits`, with batch norms folded in.
 */
export function inception(weights: Tensors, images: tf.Tensor): InceptionOutputs {
  const unit = (name: string, x: tf.Tensor) => scope(name, () => convolution(weights, name, x));
  const chain = (x: tf.Tensor, ...names: string[]) => names.reduce((y, name) => unit(name, y), x);
  const join = (...parts: tf.Tensor[]) => tf.concat(parts, 3);

  const blockA = (name: string, x: tf.Tensor) =>
    join(
      unit(`${name}.branch1x1`, x),
      chain(x, `${name}.branch5x5_1`, `${name}.branch5x5_2`),
      chain(x, `${name}.branch3x3dbl_1`, `${name}.branch3x3dbl_2`, `${name}.branch3x3dbl_3`),
      unit(`${name}.branch_pool`, averagePool(x)),
    );
  const blockB = (name: string, x: tf.Tensor) =>
    join(
      unit(`${name}.branch3x3`, x),
      chain(x, `${name}.branch3x3dbl_1`, `${name}.branch3x3dbl_2`, `${name}.branch3x3dbl_3`),
      halvingPool(x),
    );
  const blockC = (name: string, x: tf.Tensor) => {
    const first = unit(`${name}.branch1x1`, x);
    const long = [1, 2, 3, 4, 5].map((i) => `${name}.branch7x7dbl_${i}`);
    const y = join(
      first,
      chain(x, `${name}.branch7x7_1`, `${name}.branch7x7_2`, `${name}.branch7x7_3`),
      chain(x, ...long),
      unit(`${name}.branch_pool`, averagePool(x)),
    );
    return { y, first };
  };
  const blockD = (name: string, x: tf.Tensor) =>
    join(
      chain(x, `${name}.branch3x3_1`, `${name}.branch3x3_2`),
      chain(x, ...[1, 2, 3, 4].map((i) => `${name}.branch7x7x3_${i}`)),
      halvingPool(x),
    );
  const blockE = (name: string, x: tf.Tensor, pool: (x: tf.Tensor) => tf.Tensor) => {
    const short = unit(`${name}.branch3x3_1`, x);
    const long = chain(x, `${name}.branch3x3dbl_1`, `${name}.branch3x3dbl_2`);
    return join(
      unit(`${name}.branch1x1`, x),
      unit(`${name}.branch3x3_2a`, short),
      unit(`${name}.branch3x3_2b`, short),
      unit(`${name}.branch3x3dbl_3a`, long),
      unit(`${name}.branch3x3dbl_3b`, long),
      unit(`${name}.branch_pool`, pool(x)),
    );
  };

  const tap64 = halvingPool(chain(images, 'Conv2d_1a_3x3', 'Conv2d_2a_3x3', 'Conv2d_2b_3x3'));
  const tap192 = halvingPool(chain(tap64, 'Conv2d_3b_1x1', 'Conv2d_4a_3x3'));
  const mixed5 = ['Mixed_5b', 'Mixed_5c', 'Mixed_5d'].reduce((x, name) => blockA(name, x), tap192);
  const mixed6c = ['Mixed_6b', 'Mixed_6c'].reduce((x, name) => blockC(name, x).y, blockB('Mixed_6a', mixed5));
  const { y: mixed6d, first: mixed6Conv } = blockC('Mixed_6d', mixed6c);
  const tap768 = blockC('Mixed_6e', mixed6d).y;
  const mixed7b = blockE('Mixed_7b', blockD('Mixed_7a', tap768), averagePool);
  // Only the last block uses max pooling: likely a mistake in that graph, but part of FID's definition.
  const tap2048 = tf.mean(blockE('Mixed_7c', mixed7b, maximumPool), [1, 2]);
  return { taps: { 64: tap64, 192: tap192, 768: tap768, 2048: tap2048 }, mixed6Conv };
}

function convolution(weights: Tensors, name: string, x: tf.Tensor): tf.Tensor {
  const { stride, pad } = inceptionUnits[name]!;
  const sides = [
    [pad[0], pad[0]],
    [pad[1], pad[1]],
  ] as const;
  const options = { bias: weights[`${name}.bias`]!, strides: stride, pad: sides };
  return tf.relu(conv2d(x, weights[`${name}.weight`]!, options));
}

/** 3x3 average pooling with stride 1, excluding padding (torchvision includes it). */
const averagePool = (x: tf.Tensor): tf.Tensor => tf.avgPool(x as tf.Tensor4D, 3, 1, 'same');

const maximumPool = (x: tf.Tensor): tf.Tensor => tf.maxPool(x as tf.Tensor4D, 3, 1, 'same');

const halvingPool = (x: tf.Tensor): tf.Tensor => tf.maxPool(x as tf.Tensor4D, 3, 2, 'valid');
