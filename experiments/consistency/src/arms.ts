/** The compared models. */
import {
  finalSize,
  ganRecipe,
  recipeAtScale,
  vaeRecipe,
  type AnyTrial,
  type GanRecipe,
  type Scale,
  type Size,
  type TrainingRecipe,
  type VaeRecipe,
} from '@dm/experiments';

/** A model and how it is trained. */
export interface ModelRecipe {
  readonly model:
    | { readonly kind: 'diffusion'; readonly training: TrainingRecipe }
    | { readonly kind: 'gaussian' }
    | GanRecipe
    | VaeRecipe;
  /** Training images: all, or one of two disjoint halves. */
  readonly data: 'all' | 'half 0' | 'half 1';
  /** False for a control with the initial weights, and for the Gaussian denoiser. */
  readonly isTrained: boolean;
}

export interface ConsistencySize extends Size {
  /** Sampling steps of DDPM. */
  readonly ddpmSteps: number;
  /** Number of samples to store and compare, the first ones. */
  readonly kept: number;
}

export interface ConsistencyTrial extends AnyTrial {
  readonly arm: { readonly name: string; readonly about: string; readonly recipe: ModelRecipe };
  readonly size: ConsistencySize;
}

type Arm = ConsistencyTrial['arm'];

export const sizes: Readonly<Record<Scale, ConsistencySize>> = {
  smoke: { ...finalSize.smoke, samplerSteps: 4, ddpmSteps: 6, kept: 8 },
  laptop: { ...finalSize.laptop, validations: 1, samples: 500, samplerSteps: 25, ddpmSteps: 100, kept: 128 },
  full: { ...finalSize.full, validations: 1, samplerSteps: 100, ddpmSteps: 1000, kept: 128 },
};

/** The arm without randomness: it has one seed only. */
export const gaussianArm = 'gaussian';

export const seeds: Readonly<Record<Scale, readonly number[]>> = { smoke: [0, 1], laptop: [0, 1, 2], full: [0, 1, 2] };

/** The UNet with twice the channels. */
function wide(unet: Size['unet']): Size['unet'] {
  const { block_out_channels: channels } = unet as { block_out_channels: readonly number[] };
  return { ...unet, block_out_channels: channels.map((c) => 2 * c) };
}

/** Transformers with about as many parameters as the UNet. */
const transformers = {
  small: { width: 64, depth: 4, heads: 4, patch: 2 },
  full: { width: 384, depth: 12, heads: 6, patch: 2 },
} as const;

export function arms(scale: Scale): Arm[] {
  const { width, depth, heads, patch } = transformers[scale === 'full' ? 'full' : 'small'];
  const lr = { decay: { linearTo: 0.1 } } as const;
  const convolutional = recipeAtScale(scale, { optimizer: { ...lr, lr: scale === 'full' ? 2e-4 : 1e-2 } });
  const transformer = recipeAtScale(scale, { optimizer: { ...lr, lr: scale === 'full' ? 2e-4 : 5e-3 } });
  const { unet } = sizes[scale];
  const diffusion = (
    name: string,
    about: string,
    training: TrainingRecipe,
    rest: Partial<Omit<ModelRecipe, 'model'>> = {},
  ): Arm => ({
    name,
    about,
    recipe: { model: { kind: 'diffusion', training }, data: 'all', isTrained: true, ...rest },
  });
  const contrast = (name: string, about: string, model: GanRecipe | VaeRecipe, isTrained: boolean): Arm => ({
    name,
    about,
    recipe: { model, data: 'all', isTrained },
  });
  return [
    diffusion('unet', 'UNet, predicts epsilon', convolutional),
    contrast('gan', 'GAN of the same data', ganRecipe, true),
    contrast('vae', 'VAE of the same data, with the decoder of the GAN', vaeRecipe, true),
    diffusion('half-0', 'the UNet, trained on every second image', convolutional, { data: 'half 0' }),
    diffusion('half-1', 'the UNet, trained on the other images', convolutional, { data: 'half 1' }),
    diffusion('x0', 'the UNet, predicts x0', { ...convolutional, prediction: 'x0' }),
    diffusion('v', 'the UNet, predicts v', { ...convolutional, prediction: 'v' }),
    {
      name: gaussianArm,
      about: 'the optimal denoiser for Gaussian data of the same mean and covariance, which is linear; no training',
      recipe: { model: { kind: 'gaussian' }, data: 'all', isTrained: false },
    },
    diffusion('untrained-unet', 'the UNet at its start', convolutional, { isTrained: false }),
    contrast('untrained-gan', 'the generator of the GAN at its start', ganRecipe, false),
    diffusion('wide', 'the UNet with twice the channels', {
      ...convolutional,
      model: { type: 'unet', config: wide(unet) },
    }),
    diffusion('dit', `DiT of ${depth} blocks, ${width} wide`, {
      ...transformer,
      model: {
        type: 'dit',
        config: { patch_size: patch, hidden_size: width, depth, num_heads: heads, class_dropout_prob: 0 },
      },
    }),
    diffusion('uvit', `U-ViT of ${depth} + 1 blocks, ${width} wide`, {
      ...transformer,
      model: { type: 'uvit', config: { patch_size: patch, embed_dim: width, depth, num_heads: heads } },
    }),
  ];
}
