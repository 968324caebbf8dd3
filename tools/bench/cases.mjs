/** The training steps that are timed: the model as diffusers' configuration, and the batch. */

/** @typedef {{ name: string, model: Record<string, unknown>, batch: number }} Case */

/** @type {readonly Case[]} */
export const cases = [
  {
    name: 'unet-32x32x3-batch-16',
    model: {
      sample_size: 32,
      in_channels: 3,
      out_channels: 3,
      layers_per_block: 2,
      block_out_channels: [64, 128, 128],
      down_block_types: ['DownBlock2D', 'AttnDownBlock2D', 'DownBlock2D'],
      up_block_types: ['UpBlock2D', 'AttnUpBlock2D', 'UpBlock2D'],
    },
    batch: 16,
  },
];

/** AdamW as every contender runs it. */
export const optimizer = { lr: 1e-4, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01 };
