/** The cases of the device check: cases of tools/bench for timing, and small models of all families for correctness. */
import { cases as benchCases, smallUnet } from '../bench/cases.mjs';

/** @typedef {import('../bench/cases.mjs').Case} Case */

/**
 * @param {string} name
 * @param {Case['model'] | 'DiTTransformer2DModel' | 'UViT'} model
 * @param {Record<string, unknown>} config
 * @param {number} batch
 * @returns {Case}
 */
const training = (name, model, config, batch) => ({
  name,
  kind: 'training',
  model: /** @type {Case['model']} */ (model),
  config,
  batch,
});

/** @param {string} name */
function benchCase(name) {
  const found = benchCases.find((one) => one.name === name);
  if (found === undefined) throw new Error(`tools/bench has no case ${name}`);
  return found;
}

const dit = {
  input_size: 8,
  patch_size: 4,
  in_channels: 3,
  hidden_size: 16,
  depth: 2,
  num_heads: 2,
  num_classes: 3,
  class_dropout_prob: 0,
  learn_sigma: false,
};

/** Small models, one or more per family. */
const families = [
  training('unet', 'UNet2DModel', smallUnet, 2),
  training(
    'unet-conditional',
    'UNet2DModel',
    { ...smallUnet, num_class_embeds: 3, resnet_time_scale_shift: 'scale_shift' },
    2,
  ),
  training('dit', 'DiT', dit, 2),
  training(
    'dit-transformer2d',
    'DiTTransformer2DModel',
    { sample_size: 8, patch_size: 4, in_channels: 3, num_attention_heads: 2, attention_head_dim: 8, num_layers: 2 },
    2,
  ),
  training('uvit', 'UViT', { img_size: 8, patch_size: 4, in_chans: 3, embed_dim: 16, depth: 2, num_heads: 2 }, 2),
];

/** @param {string} name @param {number} batch */
const smaller = (name, batch) => ({ ...benchCase(name), name: name.replace(/batch-\d+$/, `batch-${batch}`), batch });

/**
 * `profiled` are names of timed training steps.
 *
 * @type {Readonly<
 *   Record<'full' | 'tiny', { correctness: readonly Case[]; timing: readonly Case[]; profiled: readonly string[] }>
 * >}
 */
export const sizes = {
  full: {
    correctness: [
      ...families,
      smaller('unet-32x32x3-batch-16', 4),
      smaller('laptop-28x28x1-batch-64', 4),
      smaller('dit-s-4-32x32x3-batch-16', 4),
    ],
    timing: [
      'unet-32x32x3-batch-128',
      'unet-32x32x3-batch-16',
      'dit-s-4-32x32x3-batch-16',
      'dit-b-4-32x32x4-batch-4',
      'laptop-28x28x1-batch-64',
      'ddim-50-laptop-batch-16',
    ].map(benchCase),
    profiled: [
      'unet-32x32x3-batch-128',
      'unet-32x32x3-batch-16',
      'dit-s-4-32x32x3-batch-16',
      'laptop-28x28x1-batch-64',
    ],
  },
  /** For software GPUs and tests. */
  tiny: {
    correctness: families,
    timing: [
      training(
        'unet-tiny',
        'UNet2DModel',
        { ...smallUnet, down_block_types: ['DownBlock2D', 'DownBlock2D'], up_block_types: ['UpBlock2D', 'UpBlock2D'] },
        1,
      ),
      {
        ...training('ddim-tiny', 'UNet2DModel', smallUnet, 1),
        kind: 'sampling',
        sampling: { numTimesteps: 1000, betaStart: 1e-4, betaEnd: 0.02, steps: 4 },
      },
    ],
    profiled: ['unet-tiny'],
  },
};
