/** A classifier with the architecture of the discriminator, as a supervised comparison. */
import { loadBatch, type Dataset } from '@dm/data';
import {
  encode,
  encoderLayout,
  compileObjective,
  runContrastTraining,
  initialWeights,
  type ImageShape,
  type CompiledObjective,
} from '@dm/experiments';
import { type Engine, type FlatLayout, float32, type NdArray, oneHot, splitFlat, toScalars } from '@dm/ops';
import { adam } from '@dm/optim';
import * as tf from '@tensorflow/tfjs-core';
import type { ClassifierRecipe } from './trial.js';

export const classifierLayout = (shape: ImageShape, classes: number): FlatLayout => encoderLayout(shape, classes);

/** Initial weights. */
export const classifierStart = (layout: FlatLayout, seed: number): Float32Array => initialWeights(layout, seed, 1);

/** Mean cross-entropy in nats. `params` [P]; `images` [N, H, W, C]; one-hot `labels` [N, classes]. */
function crossEntropy(params: tf.Tensor, images: tf.Tensor, labels: tf.Tensor, layout: FlatLayout): tf.Tensor {
  const logits = encode(splitFlat(params, layout), images);
  return tf.neg(tf.mean(tf.sum(tf.mul(labels, tf.logSoftmax(logits)), 1)));
}

/**
 * Trains a classifier for `steps` batches and returns its parameters.
 * @throws {Error} if the loss is not finite
 */
export async function trainClassifier(options: {
  readonly train: Dataset;
  readonly engine: Engine;
  readonly recipe: ClassifierRecipe;
  readonly seed: number;
  readonly steps: number;
}): Promise<Float32Array> {
  const { train, engine, recipe, seed, steps } = options;
  const classes = train.classes.length;
  const layout = classifierLayout(train.shape, classes);
  const optimizer = adam({ lr: recipe.lr, beta1: recipe.beta1 });
  const { params } = await runContrastTraining({
    name: `classifier, seed ${seed}, step`,
    program: (state, inputs) => {
      const { value: loss, grad } = tf.valueAndGrad((p: tf.Tensor) =>
        crossEntropy(p, inputs['images']!, inputs['labels']!, layout),
      )(state['params']!);
      const slots = Object.fromEntries(optimizer.slots.map((slot) => [slot, state[slot]!]));
      const next = optimizer.update(state['params']!, grad, slots, inputs);
      return { state: { params: next.params, ...next.slots }, outputs: { loss } };
    },
    engine,
    start: { params: float32(classifierStart(layout, seed)), ...optimizer.init(layout.size) },
    steps,
    async inputs(step) {
      const { images, labels } = await loadBatch(train, { seed, step, batchSize: recipe.batchSize });
      return {
        images: float32(images, [recipe.batchSize, ...train.shape]),
        labels: oneHot(labels!, classes),
        ...toScalars(optimizer.scalars(step)),
      };
    },
    read: ['params'],
    snapshotSteps: [],
    onSnapshot: () => undefined,
  });
  return params;
}

/** The cross-entropy of fixed images [N, H, W, C], as a function of the parameters. */
export function classifierObjective(
  engine: Engine,
  layout: FlatLayout,
  fixed: { readonly images: NdArray; readonly labels: Int32Array; readonly classes: number },
): Promise<CompiledObjective> {
  return compileObjective(engine, {
    name: 'cross-entropy',
    size: layout.size,
    loss: (params, { images, labels }) => crossEntropy(params, images!, labels!, layout),
    inputs: { images: fixed.images, labels: oneHot(fixed.labels, fixed.classes) },
  });
}
