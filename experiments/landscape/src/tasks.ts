/** The UNet of the denoiser, trained on three other tasks. */
import { normalBatch } from '@dm/core';
import { loadBatch, type Dataset } from '@dm/data';
import {
  compileObjective,
  encode,
  encoderLayout,
  initialWeights,
  runContrastTraining,
  type CompiledObjective,
  type GanNetworks,
  type ImageShape,
} from '@dm/experiments';
import { basicUNet2d, initializeFlat, parameterLayout } from '@dm/models';
import {
  float32,
  oneHot,
  silu,
  splitFlat,
  toScalars,
  type Arrays,
  type Engine,
  type FlatLayout,
  type NdArray,
  type Tensors,
} from '@dm/ops';
import { adam, linearLr, withWarmup } from '@dm/optim';
import * as tf from '@tensorflow/tfjs-core';
import type { LandscapeTrial, SupervisedRecipe } from './trial.js';

/** The UNet without a timestep: it always receives t = 0. */
export interface TaskUNet {
  readonly layout: FlatLayout;
  /** Initial weights: those of the denoiser with the same seed, except for the output layer if it is wider. */
  initial(this: void, seed: number): Float32Array;
  /** Flat params [P], images [N, H, W, C] → [N, H, W, outputs]. */
  apply(this: void, params: tf.Tensor, images: tf.Tensor): tf.Tensor;
}

/** The UNet with `outputs` output channels. `unet` has the field names of diffusers. */
export function taskUNet(
  unet: LandscapeTrial['size']['unet'],
  [height, width, channels]: ImageShape,
  outputs: number,
): TaskUNet {
  const model = basicUNet2d({ ...unet, sample_size: [height, width], in_channels: channels, out_channels: outputs });
  const layout = parameterLayout(model);
  return {
    layout,
    initial: (seed) => initializeFlat(model, seed).params,
    apply: (params, images) => model.apply(splitFlat(params, layout), images, tf.zeros([images.shape[0]])),
  };
}

/**
 * A GAN whose generator is the UNet: a noise image N(0, 1) of the image's shape becomes tanh(UNet(noise)). The
 * discriminator is the encoder of the other experiments with SiLU, so that the generator's loss is smooth. Its input has
 * as further channels the standard deviation over the batch of each pixel (minibatch standard deviation, Karras et al.
 * 2018, arXiv:1710.10196, section 3, without the mean over pixels): without it, the generator collapses to one image.
 */
export function unetGan(unet: TaskUNet, shape: ImageShape): GanNetworks {
  const [height, width, channels] = shape;
  const discriminator = encoderLayout([height, width, 2 * channels], 1);
  return {
    latentShape: shape,
    initial(seed) {
      const generator = unet.initial(seed);
      return { generator, discriminator: initialWeights(discriminator, seed, 1), ema: generator };
    },
    generate: (params, noise) => tf.tanh(unet.apply(params, noise)),
    discriminate(params, images) {
      const centered = tf.sub(images, tf.mean(images, 0, true));
      // The offset keeps the square root smooth at 0.
      const deviation = tf.sqrt(tf.add(tf.mean(tf.square(centered), 0, true), 1e-4));
      const withDeviation = tf.concat([images, tf.mul(deviation, tf.onesLike(images))], 3);
      return encode(splitFlat(params, discriminator), withDeviation, silu);
    },
  };
}

/** A loss of the UNet on batches of a data set. */
export interface SupervisedTask {
  readonly unet: TaskUNet;
  loss(this: void, params: tf.Tensor, inputs: Tensors): tf.Tensor;
  /** Inputs of the loss. `noise` is a standard normal image per image, [N, H, W, C]. */
  inputs(this: void, batch: { images: NdArray; labels: Int32Array; noise: NdArray }): Arrays;
}

/**
 * Reconstruction from half of the pixels. Each pixel is hidden (set to 0, gray) with probability 1/2, and the loss is
 * the mean squared error of the hidden pixels. Without the mask, the skip connections could copy the image; the loss
 * ignores the visible pixels for the same reason.
 */
export function maskedAutoencoder(unet: TaskUNet): SupervisedTask {
  return {
    unet,
    loss(params, { images, hidden }) {
      const output = unet.apply(params, tf.mul(images!, tf.sub(1, hidden!)));
      return tf.div(tf.sum(tf.mul(hidden!, tf.squaredDifference(output, images!))), tf.sum(hidden!));
    },
    inputs: ({ images, noise }) => ({
      images,
      hidden: float32(
        Float32Array.from(noise.data, (value) => (value > 0 ? 1 : 0)),
        noise.shape,
      ),
    }),
  };
}

/** Mean cross-entropy in nats; the logits are the mean over all pixels of one output channel per class. */
export function classifier(unet: TaskUNet, classes: number): SupervisedTask {
  return {
    unet,
    loss(params, { images, labels }) {
      const logits = tf.mean(unet.apply(params, images!), [1, 2]);
      return tf.neg(tf.mean(tf.sum(tf.mul(labels!, tf.logSoftmax(logits)), 1)));
    },
    inputs: ({ images, labels }) => ({ images, labels: oneHot(labels, classes) }),
  };
}

/**
 * Trains the UNet for `steps` batches and returns its parameters.
 * @throws {Error} if the loss is not finite
 */
export async function trainSupervised(
  { unet, loss, inputs }: SupervisedTask,
  options: {
    readonly train: Dataset;
    readonly engine: Engine;
    readonly recipe: SupervisedRecipe;
    readonly seed: number;
    readonly steps: number;
  },
): Promise<Float32Array> {
  const { train, engine, recipe, seed, steps } = options;
  const { lr, warmup, finalRatio, beta1, batchSize } = recipe;
  const optimizer = adam({ lr: withWarmup(linearLr({ lr, totalSteps: steps, finalRatio }), warmup), beta1 });
  const { params } = await runContrastTraining({
    name: `${recipe.kind}, seed ${seed}, step`,
    program: (state, batch) => {
      const { value, grad } = tf.valueAndGrad((p: tf.Tensor) => loss(p, batch))(state['params']!);
      const slots = Object.fromEntries(optimizer.slots.map((slot) => [slot, state[slot]!]));
      const next = optimizer.update(state['params']!, grad, slots, batch);
      return { state: { params: next.params, ...next.slots }, outputs: { loss: value } };
    },
    engine,
    start: { params: float32(unet.initial(seed)), ...optimizer.init(unet.layout.size) },
    steps,
    async inputs(step) {
      const { images, labels } = await loadBatch(train, { seed, step, batchSize });
      const indices = Array.from({ length: batchSize }, (_, i) => step * batchSize + i);
      return {
        ...inputs({
          images: float32(images, [batchSize, ...train.shape]),
          labels: labels!,
          noise: normalBatch({ seed, stream: 'noise', indices }, train.shape),
        }),
        ...toScalars(optimizer.scalars(step)),
      };
    },
    read: ['params'],
    snapshotSteps: [],
    onSnapshot: () => undefined,
  });
  return params;
}

/** The loss on fixed images, labels, and noise, as a function of the parameters. */
export function supervisedObjective(
  engine: Engine,
  { unet, loss, inputs }: SupervisedTask,
  batch: Parameters<SupervisedTask['inputs']>[0],
): Promise<CompiledObjective> {
  return compileObjective(engine, { name: 'loss', size: unet.layout.size, loss, inputs: inputs(batch) });
}
