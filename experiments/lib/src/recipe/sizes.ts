/** How large the runs of each configuration are. Screening chooses among many arms, finals compare few over seeds. */

/** smoke: it works, in seconds. laptop: the result, on two cores. full: the paper's scale, for a GPU. */
export const scales = ['smoke', 'laptop', 'full'] as const;
export type Scale = (typeof scales)[number];

/** How large the run is and how it is measured: the same for all arms of a stage. */
export interface Size {
  /** `mnist-12`: MNIST at 12x12. `cifar10` must have been fetched: `dm data fetch cifar10`. */
  readonly data: 'mnist-12' | 'cifar10';
  /** Training images, of which the first so many are used. */
  readonly trainImages: number;
  /** The UNet, by the fields of diffusers' UNet2DModel; image size and channels are those of the data. */
  readonly unet: Readonly<Record<string, unknown>>;
  /** Images seen in training. */
  readonly images: number;
  /** Validations, evenly spaced, the last one at the end. */
  readonly validations: number;
  /** Held-out images of a validation, each at one fixed noise and timestep. */
  readonly validationImages: number;
  /** Evaluations of samples, evenly spaced, the last one at the end. */
  readonly sampleEvaluations: number;
  /** Samples of an evaluation. */
  readonly samples: number;
  /** DDIM steps to a sample. */
  readonly samplerSteps: number;
  /** Steps between readings of the parameters for the direction of the path; 0: none. */
  readonly pathEvery: number;
}

const plainUnet = (channels: readonly number[]): Size['unet'] => ({
  block_out_channels: channels,
  layers_per_block: 1,
  down_block_types: channels.map(() => 'DownBlock2D'),
  up_block_types: channels.map(() => 'UpBlock2D'),
  norm_num_groups: 8,
});

/** It works, in seconds. */
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

/** 160 345 parameters, 800 steps of 32 images. */
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

/** DDPM's own CIFAR-10 model and data, 100 000 steps of 128 images: for a GPU. Nobody has run it here. */
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

/** The same model on fewer images, with fewer samples. */
export const screeningSize: Readonly<Record<Scale, Size>> = {
  smoke,
  laptop: { ...laptop, images: 9600, validations: 2, samples: 500 },
  full: { ...full, images: 1_280_000, validations: 4, sampleEvaluations: 1 },
};

/** Images of a batch. */
export const batchSize: Readonly<Record<Scale, number>> = { smoke: 16, laptop: 32, full: 128 };

/** Seeds of a final. */
export const finalSeeds: Readonly<Record<Scale, readonly number[]>> = {
  smoke: [0],
  laptop: [0, 1, 2],
  full: [0, 1, 2],
};
