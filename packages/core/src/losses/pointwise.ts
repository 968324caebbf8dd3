/**
 * Losses as tensor functions. They know no weighting rule: the weight of each example, its rule's and its importance
 * weight multiplied, is an input.
 */
import * as tf from '@tensorflow/tfjs-core';
import { checkPositive } from '@dm/ops';

/** Mean over each example's elements: prediction, target [N, ...] → [N]. */
export type PointwiseLoss = (prediction: tf.Tensor, target: tf.Tensor) => tf.Tensor;

/**
 * |F - target|^2. The simple loss, Eq. 14 of Ho et al. 2020, arXiv:2006.11239. [N, ...] and the same → [N], the mean
 * over each example.
 */
export const mseLoss: PointwiseLoss = (prediction, target) => meanPerExample(tf.squaredDifference(prediction, target));

/** |F - target|. [N, ...] and the same → [N], the mean over each example. */
export const l1Loss: PointwiseLoss = (prediction, target) => meanPerExample(tf.abs(tf.sub(prediction, target)));

/**
 * With d = |F - target|: d^2 / 2 if d <= delta, else delta (d - delta / 2). Huber 1964; torch's `huber_loss`.
 * @throws {RangeError} unless delta > 0
 */
export function huberLoss({ delta = 1 }: { readonly delta?: number } = {}): PointwiseLoss {
  checkPositive('huberLoss: delta', delta);
  return (prediction, target) => {
    const d = tf.abs(tf.sub(prediction, target));
    const inner = tf.minimum(d, delta);
    // inner (d - inner / 2) is d^2 / 2 inside and delta (d - delta / 2) outside.
    return meanPerExample(tf.mul(inner, tf.sub(d, tf.mul(inner, 0.5))));
  };
}

/** The loss that is minimized: the mean over examples of weight times loss, both [N] → scalar. */
export function weightedMean(losses: tf.Tensor, weights: tf.Tensor): tf.Scalar {
  return tf.mean(tf.mul(losses, weights));
}

/** [N, ...] → [N]. */
export function meanPerExample(values: tf.Tensor): tf.Tensor {
  return tf.mean(tf.reshape(values, [values.shape[0], -1]), 1);
}
