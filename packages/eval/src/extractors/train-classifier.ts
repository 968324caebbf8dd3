/** Training of the extractor `classifier`. */
import { createHash } from 'node:crypto';
import { loadBatch, type Dataset } from '@dm/data';
import { parseSafetensors } from '@dm/models';
import { checkInteger, type Engine, float32, oneHot, type Program, splitFlat, toScalars } from '@dm/ops';
import { adamW, cosineLr, withWarmup, type Optimizer } from '@dm/optim';
import * as tf from '@tensorflow/tfjs-core';
import { EvalError } from '../errors.js';
import { classifierLayout, initializeClassifier, classify, type ClassifierShape } from './classifier-graph.js';
import { createClassifierExtractor, formatClassifier } from './classifier.js';

export interface TrainClassifierOptions {
  /** Labeled training images, gray or RGB. */
  readonly train: Dataset;
  /** Test images for the accuracy, with the same shape and classes. */
  readonly test: Dataset;
  readonly engine: Engine;
  /** Seed of the initialization and of the order of images. Default 0. */
  readonly seed?: number;
  /** Number of epochs. Default 3. */
  readonly epochs?: number;
  /** Default 128. */
  readonly batchSize?: number;
  /** Peak learning rate: linear warm-up over the first 5% of the steps, then cosine decay to 0. Default 2e-3. */
  readonly lr?: number;
  /** Called after each step with the number of images processed, the total, and the mean loss of the batch. */
  readonly onProgress?: (done: number, of: number, loss: number) => void;
}

export interface TrainedClassifier {
  /**
   * A safetensors file with the training record in its metadata. Deterministic given seed, data, options and engine.
   */
  readonly file: Uint8Array;
  readonly sha256: string;
  /** Top-1 accuracy on the test images. */
  readonly testAccuracy: number;
  readonly testImages: number;
  readonly steps: number;
}

/**
 * Trains a classifier with cross-entropy and AdamW.
 * @throws {EvalError} if the data have no labels or fewer than two classes, train and test differ in shape or classes,
 * or the loss becomes NaN or infinite
 * @throws {RangeError} if an option is out of range
 */
export async function trainClassifier(options: TrainClassifierOptions): Promise<TrainedClassifier> {
  const { train, test, engine, seed = 0, epochs = 3, batchSize = 128, lr = 2e-3, onProgress } = options;
  checkSets(train, test);
  checkInteger('trainClassifier: epochs', epochs, 1);
  checkInteger('trainClassifier: batchSize', batchSize, 1);
  const of = { shape: train.shape, classes: train.classes.length };
  const steps = Math.ceil((epochs * train.length) / batchSize);
  const schedule = withWarmup(cosineLr({ lr, totalSteps: steps }), Math.floor(steps / 20));
  const optimizer = adamW({ lr: schedule });

  const layout = classifierLayout(of);
  const program = engine.compile(trainingStep(of, optimizer), { name: 'train-classifier' });
  const state = await program.load({
    params: float32(initializeClassifier(layout, seed)),
    ...optimizer.init(layout.size),
  });
  let params: Float32Array;
  try {
    for (let step = 0; step < steps; step++) {
      const { images, labels } = await loadBatch(train, { seed, step, batchSize });
      const { loss } = await program.run(state, {
        images: float32(images, [batchSize, ...of.shape]),
        labels: oneHot(labels!, of.classes),
        ...toScalars(optimizer.scalars(step)),
      });
      const value = loss!.data[0]!;
      if (!Number.isFinite(value))
        throw new EvalError('NOT_FINITE', `The loss at step ${step + 1} is ${value}. Try a lower learning rate.`);
      onProgress?.((step + 1) * batchSize, steps * batchSize, value);
    }
    params = (await state.read(['params']))['params']!.data as Float32Array;
  } finally {
    state.dispose();
    await program.dispose();
  }

  const testAccuracy = await accuracy(formatClassifier(of, params), test, engine);
  const file = formatClassifier(of, params, {
    data: train.name,
    data_sha256: await train.hash(),
    class_names: JSON.stringify(train.classes),
    test_data: test.name,
    test_images: String(test.length),
    test_accuracy: String(testAccuracy),
    seed: String(seed),
    epochs: String(epochs),
    batch_size: String(batchSize),
    lr: String(lr),
    engine: JSON.stringify({ name: engine.name, ...engine.info }),
  });
  const sha256 = createHash('sha256').update(file).digest('hex');
  return { file, sha256, testAccuracy, testImages: test.length, steps };
}

/** A training step: mean cross-entropy of images [B, H, W, C] in [-1, 1] with one-hot labels [B, classes]. */
function trainingStep(of: ClassifierShape, optimizer: Optimizer): Program {
  const layout = classifierLayout(of);
  return (state, inputs) => {
    const lossOf = (params: tf.Tensor): tf.Tensor => {
      const { logits } = classify(splitFlat(params, layout), inputs['images']!);
      return tf.neg(tf.mean(tf.sum(tf.mul(inputs['labels']!, tf.logSoftmax(logits)), 1)));
    };
    const { value: loss, grad } = tf.valueAndGrad(lossOf)(state['params']!);
    const slots = Object.fromEntries(optimizer.slots.map((name) => [name, state[name]!]));
    const next = optimizer.update(state['params']!, grad, slots, inputs);
    return { state: { params: next.params, ...next.slots }, outputs: { loss } };
  };
}

async function accuracy(file: Uint8Array, test: Dataset, engine: Engine): Promise<number> {
  const extractor = createClassifierExtractor({ ...parseSafetensors(file), sha256: '' }, 'the trained classifier', {
    engine,
  });
  const classes = test.classes.length;
  const chunk = 512;
  let right = 0;
  try {
    for (let start = 0; start < test.length; start += chunk) {
      const count = Math.min(chunk, test.length - start);
      const { images, labels } = await test.read(Uint32Array.from({ length: count }, (_, i) => start + i));
      const { logits } = await extractor.features({ data: images, shape: [count, ...test.shape] });
      for (let n = 0; n < count; n++) {
        const row = logits!.subarray(n * classes, (n + 1) * classes);
        if (row.indexOf(row.reduce((most, logit) => Math.max(most, logit), -Infinity)) === labels![n]) right++;
      }
    }
  } finally {
    await extractor.dispose();
  }
  return right / test.length;
}

function checkSets(train: Dataset, test: Dataset): void {
  if (train.classes.length < 2) {
    throw new EvalError(
      'SET_INVALID',
      `${train.name} has ${train.classes.length} classes; a classifier needs at least 2.`,
    );
  }
  for (const field of ['shape', 'classes'] as const) {
    if (train[field].join() === test[field].join()) continue;
    throw new EvalError(
      'SETS_MISMATCH',
      `${train.name} has the ${field} ${train[field].join()}, ${test.name} has ${test[field].join()}.`,
    );
  }
}
