import * as tf from '@tensorflow/tfjs-core';
import { checkFloat, checkInteger, checkPositive, checkShape } from './checks.js';
import { customOp, emit } from './custom-op.js';

export interface GroupNormOptions {
  /** Number of groups of consecutive channels that share a mean and a variance. Must divide the number of channels. */
  readonly groups: number;
  /** Added to the variance. Default 1e-5, as in PyTorch. */
  readonly epsilon?: number;
}

/**
 * Group normalization, Wu & He 2018, arXiv:1803.08494:
 * y = (x - mean) / sqrt(variance + epsilon) * scale + offset,
 * with the mean and the (biased) variance over all positions and channels of each group of each image.
 *
 * x float32 [N, ...spatial, C], scale and offset [C] → y of the shape of x.
 * @throws {TypeError} if a tensor is not float32
 * @throws {RangeError} if a shape is wrong, `groups` does not divide C, or `epsilon` is not positive
 */
export function groupNorm(
  x: tf.Tensor,
  scale: tf.Tensor,
  offset: tf.Tensor,
  { groups, epsilon = 1e-5 }: GroupNormOptions,
): tf.Tensor {
  checkFloat('groupNorm: x', x);
  if (x.rank < 2) throw new RangeError(`groupNorm: x must be [N, ...spatial, C], got [${x.shape.join(', ')}]`);
  const channels = x.shape.at(-1)!;
  checkInteger('groupNorm: groups', groups, 1);
  if (channels % groups !== 0)
    throw new RangeError(`groupNorm: groups must divide the ${channels} channels, got ${groups}`);
  checkPositive('groupNorm: epsilon', epsilon);
  checkShape('groupNorm: scale', scale, [channels]);
  checkShape('groupNorm: offset', offset, [channels]);
  return customOp(
    'groupNorm',
    [x, scale, offset],
    () => {
      const [y, mean, invStd] = emit('DmGroupNorm', { x, scale, offset }, { groups, epsilon }, () =>
        forward(x, scale, offset, groups, epsilon),
      );
      return { y, saved: [x, scale, mean, invStd] };
    },
    (dy, saved: Saved) =>
      emit('DmGroupNormGrad', { dy, ...named(saved) }, { groups }, () => backward(dy, saved, groups)),
  );
}

type Saved = [x: tf.Tensor, scale: tf.Tensor, mean: tf.Tensor, invStd: tf.Tensor];

const named = ([x, scale, mean, invStd]: Saved) => ({ x, scale, mean, invStd });

/** [N, ...spatial, C] → [N, positions, groups, C / groups]. */
function grouped(x: tf.Tensor, groups: number): tf.Tensor {
  const n = x.shape[0];
  const channels = x.shape.at(-1)!;
  const positions = x.shape.slice(1, -1).reduce((product, d) => product * d, 1);
  return tf.reshape(x, [n, positions, groups, channels / groups]);
}

function forward(
  x: tf.Tensor,
  scale: tf.Tensor,
  offset: tf.Tensor,
  groups: number,
  epsilon: number,
): [tf.Tensor, tf.Tensor, tf.Tensor] {
  const g = grouped(x, groups);
  const mean = tf.mean(g, [1, 3], true);
  const centered = tf.sub(g, mean);
  const invStd = tf.rsqrt(tf.add(tf.mean(tf.square(centered), [1, 3], true), epsilon));
  const normalized = tf.reshape(tf.mul(centered, invStd), x.shape);
  const statistics = [x.shape[0], groups];
  return [tf.add(tf.mul(normalized, scale), offset), tf.reshape(mean, statistics), tf.reshape(invStd, statistics)];
}

/**
 * With xh = (x - mean) invStd, and E the mean over a group:
 *   dx = invStd (scale dy - E[scale dy] - xh E[scale dy xh]).
 * Both means are computed from the sums over positions that dscale and doffset need anyway.
 */
function backward(dy: tf.Tensor, [x, scale, mean, invStd]: Saved, groups: number): [tf.Tensor, tf.Tensor, tf.Tensor] {
  const n = x.shape[0];
  const channels = x.shape.at(-1)!;
  const xg = grouped(x, groups);
  const dyg = grouped(dy, groups);
  const perElement = (groups * n) / x.size; // 1 / (elements in a group)
  const statistic = (t: tf.Tensor) => tf.reshape(t, [n, 1, groups, 1]);
  const inv = statistic(invStd);
  const gamma = tf.reshape(scale, [1, 1, groups, channels / groups]);

  const xh = tf.mul(tf.sub(xg, statistic(mean)), inv);
  const sumDy = tf.sum(dyg, 1, true); // [N, 1, groups, C / groups]
  const sumDyXh = tf.sum(tf.mul(dyg, xh), 1, true);
  const expectation = (sums: tf.Tensor) => tf.mul(tf.sum(tf.mul(sums, gamma), 3, true), perElement);
  const slope = tf.mul(expectation(sumDyXh), inv);
  const level = tf.mul(expectation(sumDy), inv);
  const dx = tf.sub(tf.mul(dyg, tf.mul(gamma, inv)), tf.add(tf.mul(xh, slope), level));
  const overImages = (sums: tf.Tensor) => tf.reshape(tf.sum(sums, 0), [channels]);
  return [tf.reshape(dx, x.shape), overImages(sumDyXh), overImages(sumDy)];
}
