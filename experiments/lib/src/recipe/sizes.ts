/**
 * Sizes of runs per configuration. Screening selects among many arms with one seed; finals compare a few with several
 * seeds.
 */

/**
 * `smoke`: a functional test, in seconds. `laptop`: the committed results, on two cores. `full`: DDPM's size, for a
 * GPU.
 */
export const scales = ['smoke', 'laptop', 'full'] as const;
export type Scale = (typeof scales)[number];

/** Size of a run and its measurements, equal for all arms of a stage. */
export interface Size {
  /** `mnist-12` is MNIST at 12x12. `cifar10` needs `dm data fetch cifar10` first. */
  readonly data: 'mnist-12' | 'cifar10';
  /** Number of training images to use: the first ones of the data set. */
  readonly trainImages: number;
  /** The UNet, with the field names of diffusers' UNet2DModel, without image size and channels. */
  readonly unet: Readonly<Record<string, unknown>>;
  /** Images seen during training (steps x batch size). */
  readonly images: number;
  /** Number of validations, evenly spaced, the last one at the end. */
  readonly validations: number;
  /** Held-out images per validation, each with one fixed noise and timestep. */
  readonly validationImages: number;
  /** Number of sample evaluations, evenly spaced, the last one at the end. */
  readonly sampleEvaluations: number;
  /** Samples per evaluation. */
  readonly samples: number;
  /** DDIM steps per sample. */
  readonly samplerSteps: number;
  /** Always 0: not used any more, but part of the keys of committed results. */
  readonly pathEvery: 0;
}

const plainUnet = (channels: readonly number[]): Size['unet'] => ({
  block_out_channels: channels,
  layers_per_block: 1,
  down_block_types: channels.map(() => 'DownBlock2D'),
  up_block_types: channels.map(() => 'UpBlock2D'),
  norm_num_groups: 8,
});

const smoke: Size = {
  data: 'mnist-12',
  trainImages: 256,
  unet: plainUnet([8, 16]),
  images: 64,
  validations: 2,
  validationImages: 32,
  sampleEvaluations: 1,
  samples: 16,
  samplerSteps: 2,
  pathEvery: 0,
};

/** 160,345 parameters, 800 steps of 32 images. */
const laptop: Size = {
  data: 'mnist-12',
  trainImages: 60_000,
  unet: plainUnet([8, 16, 32]),
  images: 25_600,
  validations: 8,
  validationImages: 1000,
  sampleEvaluations: 1,
  samples: 2000,
  samplerSteps: 10,
  pathEvery: 0,
};

/** DDPM's CIFAR-10 model and data, 100,000 steps of 128 images, for a GPU. We have not run this configuration. */
const full: Size = {
  data: 'cifar10',
  trainImages: 50_000,
  unet: {
    block_out_channels: [128, 256, 256, 256],
    layers_per_block: 2,
    down_block_types: ['DownBlock2D', 'AttnDownBlock2D', 'DownBlock2D', 'DownBlock2D'],
    up_block_types: ['UpBlock2D', 'UpBlock2D', 'AttnUpBlock2D', 'UpBlock2D'],
    attention_head_dim: null,
    norm_num_groups: 32,
  },
  images: 12_800_000,
  validations: 20,
  validationImages: 10_000,
  sampleEvaluations: 10,
  samples: 10_000,
  samplerSteps: 50,
  pathEvery: 0,
};

export const finalSize: Readonly<Record<Scale, Size>> = { smoke, laptop, full };

/** The same models, with fewer images and samples. */
export const screeningSize: Readonly<Record<Scale, Size>> = {
  smoke,
  laptop: { ...laptop, images: 9600, validations: 2, samples: 500 },
  full: { ...full, images: 1_280_000, validations: 4, sampleEvaluations: 1 },
};

/** Batch size per configuration. */
export const batchSize: Readonly<Record<Scale, number>> = { smoke: 16, laptop: 32, full: 128 };

/** Seeds of the finals. */
export const finalSeeds: Readonly<Record<Scale, readonly number[]>> = {
  smoke: [0],
  laptop: [0, 1, 2],
  full: [0, 1, 2],
};
