/** A small VAE with the decoder of the GAN, trained on the same engine as the diffusion models. */
import { normalBatch } from '@dm/core';
import { loadBatch } from '@dm/data';
import {
  type Engine,
  flatLayout,
  type FlatLayout,
  float32,
  type NdArray,
  type Program,
  splitFlat,
  toScalars,
} from '@dm/ops';
import { adam, halfLifeEma, type Optimizer } from '@dm/optim';
import * as tf from '@tensorflow/tfjs-core';
import {
  decode,
  decoderLayout,
  encode,
  encoderLayout,
  initialWeights,
  LATENT_SIZE,
  type ImageShape,
} from './networks.js';
import { compileObjective, type CompiledObjective } from './objective.js';
import { runContrastTraining, type ContrastRecipe, type ContrastTrainingOptions } from './training.js';

export type VaeRecipe = ContrastRecipe<'vae'>;

export const vaeRecipe: VaeRecipe = { kind: 'vae', lr: 5e-3, beta1: 0.9, emaHalfLife: 2000, batchSize: 32 };

/** Flat parameter vectors, laid out by `vaeLayout`. */
export interface VaeWeights {
  readonly params: Float32Array;
  readonly ema: Float32Array;
}

/** Layout of the parameters: encoder, then decoder. */
export function vaeLayout(shape: ImageShape): FlatLayout {
  const { encoder, decoder } = partsOf(shape);
  const prefixed = (prefix: string, { entries }: FlatLayout) =>
    entries.map(({ name, shape: of, group }) => ({ name: `${prefix}.${name}`, shape: of, group }));
  return flatLayout([...prefixed('encoder', encoder), ...prefixed('decoder', decoder)]);
}

function partsOf(shape: ImageShape) {
  return { encoder: encoderLayout(shape, 2 * LATENT_SIZE), decoder: decoderLayout(shape) };
}

/** The decoder's part of a flat vector, which is used for sampling. */
export function decoderWeights(params: Float32Array, shape: ImageShape): Float32Array {
  return params.subarray(partsOf(shape).encoder.size);
}

/** Initial weights, also used as an untrained control. */
export function initialVaeWeights(shape: ImageShape, seed: number): VaeWeights {
  const { encoder, decoder } = partsOf(shape);
  const params = new Float32Array(encoder.size + decoder.size);
  params.set(initialWeights(encoder, seed, 1));
  params.set(initialWeights(decoder, seed, 0), encoder.size);
  return { params, ema: params };
}

/**
 * The negative evidence lower bound per image in nats, averaged over the batch, with one sample
 * z = mean + exp(logvar / 2) eps per image. Eqs. 3 and 10 of Kingma and Welling 2014, arXiv:1312.6114:
 *
 *   -E_q log p(b | z) + KL(q(z | x) || N(0, I)),   KL = 1/2 sum (mean^2 + exp(logvar) - 1 - logvar)
 *
 * p is a Bernoulli distribution per pixel, and the first term its cross-entropy with the gray value x01 = (x + 1) / 2,
 * which is the mean over binary images b sampled from x01. This bounds the mean of -log p(b), not a density of x.
 * `params` [P]; images [N, H, W, C] in [-1, 1]; eps [N, 16].
 */
function negativeElbo(params: tf.Tensor, images: tf.Tensor, eps: tf.Tensor, shape: ImageShape): tf.Tensor {
  const layouts = partsOf(shape);
  const [encoder, decoder] = tf.split(params, [layouts.encoder.size, layouts.decoder.size]);
  const [mean, logvar] = tf.split(encode(splitFlat(encoder!, layouts.encoder), images), 2, 1);
  const z = tf.add(mean!, tf.mul(tf.exp(tf.mul(logvar!, 0.5)), eps));
  const logits = decode(splitFlat(decoder!, layouts.decoder), z, shape);
  const gray = tf.mul(tf.add(images, 1), 0.5);
  const crossEntropy = tf.sum(tf.sub(tf.softplus(logits), tf.mul(gray, logits)));
  const kl = tf.mul(tf.sum(tf.sub(tf.add(tf.square(mean!), tf.exp(logvar!)), tf.add(logvar!, 1))), 0.5);
  return tf.div(tf.add(crossEntropy, kl), images.shape[0]);
}

/**
 * Trains a VAE.
 * @throws {Error} if the loss is not finite
 */
export function trainVae(options: ContrastTrainingOptions<VaeRecipe, VaeWeights>): Promise<VaeWeights> {
  const { train, engine, recipe, seed, steps, snapshotSteps = [], onSnapshot } = options;
  const { lr, beta1, emaHalfLife, batchSize } = recipe;
  const optimizer = adam({ lr, beta1 });
  const ema = halfLifeEma({ halfLifeImages: emaHalfLife, batchSize });
  const start = initialVaeWeights(train.shape, seed);
  return runContrastTraining({
    name: `VAE, seed ${seed}, step`,
    program: vaeStep(train.shape, optimizer, ema.update),
    engine,
    start: {
      params: float32(start.params),
      ema: float32(start.ema),
      ...optimizer.init(start.params.length),
    },
    steps,
    async inputs(step) {
      const { images } = await loadBatch(train, { seed, step, batchSize });
      const indices = Array.from({ length: batchSize }, (_, i) => step * batchSize + i);
      return {
        images: float32(images, [batchSize, ...train.shape]),
        eps: normalBatch({ seed, stream: 'noise', indices }, [LATENT_SIZE]),
        ...toScalars({ ...optimizer.scalars(step), ...ema.scalars(step) }),
      };
    },
    read: ['params', 'ema'],
    snapshotSteps,
    onSnapshot: (step, weights) => onSnapshot?.(step, weights),
  });
}

function vaeStep(shape: ImageShape, optimizer: Optimizer, average: ReturnType<typeof halfLifeEma>['update']): Program {
  return (state, inputs) => {
    const { value: loss, grad } = tf.valueAndGrad((params: tf.Tensor) =>
      negativeElbo(params, inputs['images']!, inputs['eps']!, shape),
    )(state['params']!);
    const slots = Object.fromEntries(optimizer.slots.map((slot) => [slot, state[slot]!]));
    const next = optimizer.update(state['params']!, grad, slots, inputs);
    return {
      state: { params: next.params, ...next.slots, ema: average(state['ema']!, next.params, inputs) },
      outputs: { loss },
    };
  };
}

/** The negative ELBO as a function of the parameters, for fixed images [N, H, W, C] and noise [N, 16]. */
export function vaeObjective(
  engine: Engine,
  shape: ImageShape,
  fixed: { readonly images: NdArray; readonly eps: NdArray },
): Promise<CompiledObjective> {
  return compileObjective(engine, {
    name: 'negative ELBO',
    size: vaeLayout(shape).size,
    loss: (params, { images, eps }) => negativeElbo(params, images!, eps!, shape),
    inputs: { images: fixed.images, eps: fixed.eps },
  });
}
