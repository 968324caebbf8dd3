/** A small GAN, trained on the same engine as the diffusion models, for comparison with them. */
import { normalBatch } from '@dm/core';
import { loadBatch } from '@dm/data';
import {
  type Arrays,
  type Engine,
  float32,
  type NdArray,
  type Program,
  splitFlat,
  type Tensors,
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

export type GanRecipe = ContrastRecipe<'gan'>;

/** beta1 of Radford et al. 2016, arXiv:1511.06434. */
export const ganRecipe: GanRecipe = { kind: 'gan', lr: 2e-3, beta1: 0.5, emaHalfLife: 2000, batchSize: 32 };

/** Flat parameter vectors, laid out by `ganLayouts`. */
export interface GanWeights {
  readonly generator: Float32Array;
  readonly discriminator: Float32Array;
  /** EMA of the generator. */
  readonly ema: Float32Array;
}

export function ganLayouts(shape: ImageShape) {
  return { generator: decoderLayout(shape), discriminator: encoderLayout(shape, 1) };
}

/** Initial weights, also used as an untrained control. */
export function initialGanWeights(shape: ImageShape, seed: number): GanWeights {
  const layouts = ganLayouts(shape);
  const generator = initialWeights(layouts.generator, seed, 0);
  return { generator, discriminator: initialWeights(layouts.discriminator, seed, 1), ema: generator };
}

/** The two networks of a GAN, as functions of flat parameter vectors. */
export interface GanNetworks {
  /** Shape of one latent. */
  readonly latentShape: readonly number[];
  /** Initial weights, which depend only on `seed`. */
  initial(this: void, seed: number): GanWeights;
  /** Latents [N, ...latentShape] → images [N, H, W, C] in [-1, 1]. */
  generate(this: void, generator: tf.Tensor, latents: tf.Tensor): tf.Tensor;
  /** Images [N, H, W, C] → logits [N, 1], positive for real images. */
  discriminate(this: void, discriminator: tf.Tensor, images: tf.Tensor): tf.Tensor;
}

/** The small decoder and the encoder with leaky ReLUs. */
export function decoderGan(shape: ImageShape): GanNetworks {
  const layouts = ganLayouts(shape);
  return {
    latentShape: [LATENT_SIZE],
    initial: (seed) => initialGanWeights(shape, seed),
    generate: (generator, latents) => tf.tanh(decode(splitFlat(generator, layouts.generator), latents, shape)),
    discriminate: (discriminator, images) => encode(splitFlat(discriminator, layouts.discriminator), images),
  };
}

/**
 * Non-saturating losses of Goodfellow et al. 2014, arXiv:1406.2661, section 3, with d the discriminator's logit:
 * generator mean softplus(-d(fake)), discriminator mean softplus(-d(real)) + mean softplus(d(fake)).
 */
const losses = {
  generator(
    { generate, discriminate }: GanNetworks,
    generator: tf.Tensor,
    discriminator: tf.Tensor,
    latents: tf.Tensor,
  ) {
    return tf.mean(tf.softplus(tf.neg(discriminate(discriminator, generate(generator, latents)))));
  },
  discriminator({ discriminate }: GanNetworks, discriminator: tf.Tensor, images: tf.Tensor, fakes: tf.Tensor) {
    const ofReal = tf.softplus(tf.neg(discriminate(discriminator, images)));
    return tf.add(tf.mean(ofReal), tf.mean(tf.softplus(discriminate(discriminator, fakes))));
  },
};

/**
 * Trains a GAN: for each batch, one discriminator step, then one generator step against the updated discriminator.
 * `networks` default to the small decoder and the encoder.
 * @throws {Error} if a loss is not finite
 */
export function trainGan(
  options: ContrastTrainingOptions<GanRecipe, GanWeights> & { readonly networks?: GanNetworks },
): Promise<GanWeights> {
  const { train, engine, recipe, seed, steps, snapshotSteps = [], onSnapshot } = options;
  const { networks = decoderGan(train.shape) } = options;
  const { lr, beta1, emaHalfLife, batchSize } = recipe;
  const optimizer = adam({ lr, beta1 });
  const ema = halfLifeEma({ halfLifeImages: emaHalfLife, batchSize });
  return runContrastTraining({
    name: `GAN, seed ${seed}, step`,
    program: ganStep(networks, optimizer, ema.update),
    engine,
    start: initialState(networks.initial(seed), optimizer),
    steps,
    async inputs(step) {
      const { images } = await loadBatch(train, { seed, step, batchSize });
      const indices = Array.from({ length: batchSize }, (_, i) => step * batchSize + i);
      const latents = (lane: number) => normalBatch({ seed, stream: 'noise', indices, lane }, networks.latentShape);
      return {
        images: float32(images, [batchSize, ...train.shape]),
        latentsOfDiscriminator: latents(0),
        latentsOfGenerator: latents(1),
        ...toScalars({ ...optimizer.scalars(step), ...ema.scalars(step) }),
      };
    },
    read: ['generator', 'discriminator', 'ema'],
    snapshotSteps,
    onSnapshot: (step, weights) => onSnapshot?.(step, weights),
  });
}

const networkNames = ['generator', 'discriminator'] as const;

function initialState(start: GanWeights, optimizer: Optimizer): Arrays {
  const ofNetworks = networkNames.map((network) => ({
    [network]: float32(start[network]),
    ...Object.fromEntries(
      Object.entries(optimizer.init(start[network].length)).map(([slot, zeros]) => [`${network}.${slot}`, zeros]),
    ),
  }));
  return { ...ofNetworks[0], ...ofNetworks[1], ema: float32(start.ema) };
}

function ganStep(
  networks: GanNetworks,
  optimizer: Optimizer,
  average: ReturnType<typeof halfLifeEma>['update'],
): Program {
  return (state, inputs) => {
    const { generator, discriminator } = state;
    const update = (network: (typeof networkNames)[number], gradient: tf.Tensor) => {
      const slots = Object.fromEntries(optimizer.slots.map((slot) => [slot, state[`${network}.${slot}`]!]));
      const next = optimizer.update(state[network]!, gradient, slots, inputs);
      const named = Object.entries(next.slots).map(([slot, value]) => [`${network}.${slot}`, value] as const);
      return { params: next.params, slots: Object.fromEntries(named) };
    };
    const fakes = networks.generate(generator!, inputs['latentsOfDiscriminator']!);
    const ofDiscriminator = tf.valueAndGrad((d: tf.Tensor) =>
      losses.discriminator(networks, d, inputs['images']!, fakes),
    )(discriminator!);
    const nextDiscriminator = update('discriminator', ofDiscriminator.grad);
    const ofGenerator = tf.valueAndGrad((g: tf.Tensor) =>
      losses.generator(networks, g, nextDiscriminator.params, inputs['latentsOfGenerator']!),
    )(generator!);
    const nextGenerator = update('generator', ofGenerator.grad);
    const next: Tensors = {
      generator: nextGenerator.params,
      discriminator: nextDiscriminator.params,
      ema: average(state['ema']!, nextGenerator.params, inputs),
      ...nextGenerator.slots,
      ...nextDiscriminator.slots,
    };
    return {
      state: next,
      outputs: { generatorLoss: ofGenerator.value, discriminatorLoss: ofDiscriminator.value },
    };
  };
}

/** The generator's loss as a function of its `size` parameters, for a fixed discriminator and latents. */
export function generatorObjective(
  engine: Engine,
  networks: GanNetworks,
  fixed: { readonly size: number; readonly discriminator: Float32Array; readonly latents: NdArray },
): Promise<CompiledObjective> {
  return compileObjective(engine, {
    name: 'generator loss',
    size: fixed.size,
    loss: (generator, { discriminator, latents }) => losses.generator(networks, generator, discriminator!, latents!),
    inputs: { discriminator: float32(fixed.discriminator), latents: fixed.latents },
  });
}

/**
 * The discriminator's loss as a function of its `size` parameters, for fixed images [N, H, W, C] and images that a fixed
 * generator makes from latents.
 */
export function discriminatorObjective(
  engine: Engine,
  networks: GanNetworks,
  fixed: {
    readonly size: number;
    readonly generator: Float32Array;
    readonly images: NdArray;
    readonly latents: NdArray;
  },
): Promise<CompiledObjective> {
  return compileObjective(engine, {
    name: 'discriminator loss',
    size: fixed.size,
    loss: (discriminator, { generator, images, latents }) =>
      losses.discriminator(networks, discriminator, images!, networks.generate(generator!, latents!)),
    inputs: { generator: float32(fixed.generator), images: fixed.images, latents: fixed.latents },
  });
}
