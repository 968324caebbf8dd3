/**
 * Losses as tensor functions. Weighting rules are defined elsewhere (`@dm/curriculum`): the weight of each example is
 * an input of `weightedMean`.
 */
import * as tf from '@tensorflow/tfjs-core';
import { checkPositive } from '@dm/ops';

/** Mean loss per example: prediction, target [N, ...] → [N]. */
export type PointwiseLoss = (prediction: tf.Tensor, target: tf.Tensor) => tf.Tensor;

/**
 * (F - target)^2, averaged per example: the simple loss, Eq. 14 of Ho et al. 2020, arXiv:2006.11239. [N, ...] and
 * [N, ...] → [N].
 */
export const mseLoss: PointwiseLoss = (prediction, target) => meanPerExample(tf.squaredDifference(prediction, target));

/** |F - target|, averaged per example. [N, ...] and [N, ...] → [N]. */
export const l1Loss: PointwiseLoss = (prediction, target) => meanPerExample(tf.abs(tf.sub(prediction, target)));

/**
 * With d = |F - target|: d^2 / 2 if d <= delta, else delta (d - delta / 2), averaged per example. Huber 1964; PyTorch's
 * `huber_loss`.
 * @throws {RangeError} if delta is not > 0
 */
export function huberLoss({ delta = 1 }: { readonly delta?: number } = {}): PointwiseLoss {
  checkPositive('huberLoss: delta', delta);
  return (prediction, target) => {
    const d = tf.abs(tf.sub(prediction, target));
    const inner = tf.minimum(d, delta);
    // inner = min(d, delta): inner (d - inner / 2) covers both cases.
    return meanPerExample(tf.mul(inner, tf.sub(d, tf.mul(inner, 0.5))));
  };
}

/** The training loss: mean of weights * losses, both [N] → scalar. */
export function weightedMean(losses: tf.Tensor, weights: tf.Tensor): tf.Scalar {
  return tf.mean(tf.mul(losses, weights));
}

/** [N, ...] → [N]. */
export function meanPerExample(values: tf.Tensor): tf.Tensor {
  return tf.mean(tf.reshape(values, [values.shape[0], -1]), 1);
}
