/** The benchmark cases: a model, configured as its reference implementation, a batch size, and training or sampling. */
import { unetPresets } from '@dm/models';

/**
 * @typedef {object} Case
 * @property {string} name
 * @property {'training' | 'sampling'} kind `training` times one step, `sampling` a whole batch of images.
 * @property {'UNet2DModel' | 'DiT'} model The class in diffusers or facebookresearch/DiT.
 * @property {Record<string, unknown>} config The arguments of its constructor.
 * @property {number} batch
 * @property {Sampling} [sampling] For the kind `sampling`.
 * @property {true} [small] Small enough for TF.js's wasm and cpu backends.
 * @property {true} [compile] Also runs with torch.compile, which takes one or two minutes to compile it.
 * @property {true} [extra] Runs only if `--cases` names it.
 */

/**
 * @typedef {object} Sampling DDIM with eta 0 and DDPM's linear schedule, prediction `epsilon`, clipped x_0.
 * @property {number} numTimesteps
 * @property {number} betaStart
 * @property {number} betaEnd
 * @property {number} steps Model evaluations.
 */

/** A UNet for checks of correctness, with attention on one of two levels. */
export const smallUnet = {
  sample_size: 8,
  in_channels: 3,
  out_channels: 3,
  layers_per_block: 1,
  block_out_channels: [8, 16],
  down_block_types: ['DownBlock2D', 'AttnDownBlock2D'],
  up_block_types: ['AttnUpBlock2D', 'UpBlock2D'],
  norm_num_groups: 4,
  attention_head_dim: 8,
};

/** A UNet with 6,472,195 parameters. */
const unet32 = {
  sample_size: 32,
  in_channels: 3,
  out_channels: 3,
  layers_per_block: 2,
  block_out_channels: [64, 128, 128],
  down_block_types: ['DownBlock2D', 'AttnDownBlock2D', 'DownBlock2D'],
  up_block_types: ['UpBlock2D', 'AttnUpBlock2D', 'UpBlock2D'],
};

/** The unconditional model of the trainer's default preset `mnist`. */
const laptop = unetPresets.mnist;

// Label dropout would make the reference's step random, and a learned variance would change its loss.
const dit = { patch_size: 4, input_size: 32, class_dropout_prob: 0, learn_sigma: false };
const ditS = { ...dit, in_channels: 3, hidden_size: 384, depth: 12, num_heads: 6, num_classes: 10 };
const ditB = { ...dit, in_channels: 4, hidden_size: 768, depth: 12, num_heads: 12, num_classes: 1000 };

const ddim = { numTimesteps: 1000, betaStart: 1e-4, betaEnd: 0.02, steps: 50 };

/** @type {readonly Case[]} */
export const cases = [
  { name: 'unet-32x32x3-batch-16', kind: 'training', model: 'UNet2DModel', config: unet32, batch: 16, compile: true },
  { name: 'laptop-28x28x1-batch-64', kind: 'training', model: 'UNet2DModel', config: laptop, batch: 64 },
  { name: 'laptop-28x28x1-batch-2', kind: 'training', model: 'UNet2DModel', config: laptop, batch: 2, small: true },
  { name: 'dit-s-4-32x32x3-batch-16', kind: 'training', model: 'DiT', config: ditS, batch: 16, compile: true },
  { name: 'dit-b-4-32x32x4-batch-4', kind: 'training', model: 'DiT', config: ditB, batch: 4 },
  {
    name: 'unet-32x32x3-batch-128',
    kind: 'training',
    model: 'UNet2DModel',
    config: unet32,
    batch: 128,
    compile: true,
    extra: true,
  },
  {
    name: 'ddim-50-laptop-batch-16',
    kind: 'sampling',
    model: 'UNet2DModel',
    config: laptop,
    batch: 16,
    sampling: ddim,
  },
  {
    name: 'ddim-50-unet-batch-16',
    kind: 'sampling',
    model: 'UNet2DModel',
    config: unet32,
    batch: 16,
    sampling: ddim,
    extra: true,
  },
];

/** The settings of AdamW and EMA, the same for every contender. */
export const optimizer = { lr: 1e-4, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01, emaDecay: 0.999 };
