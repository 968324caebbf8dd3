/** How much is trained and measured. */
import { cardRecipes, finalRecipes, secondaryRecipes, type Recipe, type Recipes } from './recipes.js';

/** What the finals are compared by; E2 is KD and FD. */
export type Endpoint = 'E1' | 'KD' | 'FD';

export interface Size {
  readonly name: 'laptop' | 'card' | 'smoke';
  /** Height and width of the images: CIFAR-10's 32, or half of it. */
  readonly side: 16 | 32;
  /** Options of the UNet, as diffusers names them. */
  readonly unet: object;
  /** The recipes of the finals, by prediction type. */
  readonly recipes: Recipes;
  /** Variants with epsilon-prediction, with two seeds. */
  readonly secondary: readonly Recipe[];
  readonly endpoints: readonly Endpoint[];
  readonly batchSize: number;
  /** N: steps of the recipes; the baseline trains 4 N. */
  readonly steps: number;
  readonly warmup: number;
  /** Images for E1, and draws of noise for each image and noise range. */
  readonly validationImages: number;
  readonly validationDraws: number;
  /** Samples for E2, and steps of DDIM. */
  readonly samples: number;
  readonly samplerSteps: number;
}

const small = (channels: readonly [number, number, number]) => ({
  block_out_channels: [...channels],
  layers_per_block: 1,
  down_block_types: ['DownBlock2D', 'DownBlock2D', 'DownBlock2D'],
  up_block_types: ['UpBlock2D', 'UpBlock2D', 'UpBlock2D'],
  norm_num_groups: 8,
});

const ofLaptop = {
  side: 16,
  recipes: finalRecipes,
  secondary: secondaryRecipes,
  endpoints: ['E1', 'KD', 'FD'],
} as const;

/** The experiment itself. */
export const laptop: Size = {
  ...ofLaptop,
  name: 'laptop',
  unet: small([16, 32, 64]),
  batchSize: 64,
  steps: 8000,
  warmup: 160,
  validationImages: 5000,
  validationDraws: 4,
  samples: 5000,
  samplerSteps: 50,
};

/** CIFAR-10 at 32x32 on a graphics card, trained with PyTorch: five times as long, with ten times the parameters. */
export const card: Size = {
  name: 'card',
  side: 32,
  unet: {
    block_out_channels: [64, 128, 128],
    layers_per_block: 2,
    down_block_types: ['DownBlock2D', 'AttnDownBlock2D', 'DownBlock2D'],
    up_block_types: ['UpBlock2D', 'AttnUpBlock2D', 'UpBlock2D'],
    attention_head_dim: null,
  },
  recipes: cardRecipes,
  secondary: [],
  endpoints: ['E1'],
  batchSize: 128,
  steps: 20_000,
  warmup: 400,
  validationImages: 5000,
  validationDraws: 4,
  samples: 0,
  samplerSteps: 50,
};

/** The same program on 300 images, in seconds: a test, not a measurement. */
export const smoke: Size = {
  ...ofLaptop,
  name: 'smoke',
  unet: small([8, 8, 8]),
  batchSize: 8,
  steps: 4,
  warmup: 1,
  validationImages: 16,
  validationDraws: 1,
  samples: 8,
  samplerSteps: 2,
};
