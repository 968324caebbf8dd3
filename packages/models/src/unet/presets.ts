import type { UNet2DOptions } from './config.js';

/** The published DDPM checkpoints, such as https://huggingface.co/google/ddpm-cifar10-32. */
const ddpm = <const T extends UNet2DOptions>(options: T) =>
  ({
    downsample_padding: 0,
    flip_sin_to_cos: false,
    freq_shift: 1,
    norm_eps: 1e-6,
    attention_head_dim: null,
    ...options,
  }) as const;

/** https://huggingface.co/google/ddpm-celebahq-256 and google/ddpm-church-256: 113,673,219 parameters. */
const ddpm256 = /* @__PURE__ */ ddpm({
  sample_size: 256,
  block_out_channels: [128, 128, 256, 256, 512, 512],
  down_block_types: ['DownBlock2D', 'DownBlock2D', 'DownBlock2D', 'DownBlock2D', 'AttnDownBlock2D', 'DownBlock2D'],
  up_block_types: ['UpBlock2D', 'AttnUpBlock2D', 'UpBlock2D', 'UpBlock2D', 'UpBlock2D', 'UpBlock2D'],
});

/** Named configurations for `unet2d`, to use directly or to spread and change. */
export const unetPresets = {
  /** Grayscale images of 28 x 28. Trains in minutes on two cores. */
  mnist: {
    sample_size: 28,
    in_channels: 1,
    out_channels: 1,
    block_out_channels: [16, 32, 64],
    layers_per_block: 1,
    down_block_types: ['DownBlock2D', 'DownBlock2D', 'DownBlock2D'],
    up_block_types: ['UpBlock2D', 'UpBlock2D', 'UpBlock2D'],
    norm_num_groups: 8,
  },
  /** Color images of 32 x 32 on a laptop: 6,472,195 parameters, attention at 16 x 16. */
  'cifar10-small': {
    sample_size: 32,
    block_out_channels: [64, 128, 128],
    layers_per_block: 2,
    down_block_types: ['DownBlock2D', 'AttnDownBlock2D', 'DownBlock2D'],
    up_block_types: ['UpBlock2D', 'AttnUpBlock2D', 'UpBlock2D'],
    attention_head_dim: null,
  },
  /** Color images of 64 x 64 on a laptop, attention at 16 x 16. */
  'small-64': {
    sample_size: 64,
    block_out_channels: [64, 128, 192, 256],
    layers_per_block: 1,
    down_block_types: ['DownBlock2D', 'DownBlock2D', 'AttnDownBlock2D', 'DownBlock2D'],
    up_block_types: ['UpBlock2D', 'AttnUpBlock2D', 'UpBlock2D', 'UpBlock2D'],
    attention_head_dim: 64,
  },
  /** https://huggingface.co/google/ddpm-cifar10-32: 35,746,307 parameters. */
  'ddpm-cifar10': /* @__PURE__ */ ddpm({
    sample_size: 32,
    block_out_channels: [128, 256, 256, 256],
    down_block_types: ['DownBlock2D', 'AttnDownBlock2D', 'DownBlock2D', 'DownBlock2D'],
    up_block_types: ['UpBlock2D', 'UpBlock2D', 'AttnUpBlock2D', 'UpBlock2D'],
  }),
  'ddpm-celebahq': ddpm256,
  'ddpm-church': ddpm256,
} as const satisfies Readonly<Record<string, UNet2DOptions>>;
