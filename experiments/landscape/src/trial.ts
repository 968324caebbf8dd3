/** The models to train, and the resolution at which their landscapes are measured. */
import {
  batchSize,
  finalSeeds,
  screeningSize,
  ganRecipe,
  recipeAtScale,
  truncateForSmoke,
  vaeRecipe,
  type AnyTrial,
  type GanRecipe,
  type Scale,
  type Size,
  type TrainingRecipe,
  type VaeRecipe,
} from '@dm/experiments';

export interface ClassifierRecipe {
  readonly kind: 'classifier';
  /** Learning rate of Adam. */
  readonly lr: number;
  readonly beta1: number;
  readonly batchSize: number;
}

export type NetworkRecipe =
  { readonly kind: 'diffusion'; readonly training: TrainingRecipe } | GanRecipe | VaeRecipe | ClassifierRecipe;

/** Resolution of the measurements. */
export interface Resolution {
  /** Held-out images for the whole loss; a noise range uses a quarter of them. */
  readonly probeImages: number;
  /** Number of equal timestep ranges to measure for the diffusion model, in addition to the whole. */
  readonly buckets: number;
  /** Points per line from 0 to 1. */
  readonly line: number;
  /** Number of random directions, and points per slice from -1 to 1 (odd). */
  readonly directions: number;
  readonly slice: number;
  /** Points per side of the plane (odd). */
  readonly plane: number;
  /** Number of Lanczos steps. */
  readonly lanczos: number;
}

export interface LandscapeTrial extends AnyTrial {
  readonly arm: { readonly name: string; readonly about: string; readonly recipe: NetworkRecipe };
  readonly size: Size & Resolution;
}

/** Offset of the partner's seed. The partner has other initial weights, data order, and noise. */
export const PARTNER = 100;

const resolution: Readonly<Record<Scale, Resolution>> = {
  smoke: { probeImages: 16, buckets: 2, line: 3, directions: 1, slice: 3, plane: 3, lanczos: 3 },
  laptop: { probeImages: 128, buckets: 4, line: 21, directions: 2, slice: 15, plane: 9, lanczos: 20 },
  full: { probeImages: 256, buckets: 4, line: 31, directions: 3, slice: 21, plane: 21, lanczos: 40 },
};

/** Every type of model with every seed. GAN and VAE have lower learning rates than the recipes in @dm/experiments. */
export function trials(scale: Scale): LandscapeTrial[] {
  const batch = { batchSize: batchSize[scale] };
  const arms: LandscapeTrial['arm'][] = [
    {
      name: 'diffusion',
      about: 'UNet, predicts epsilon, AdamW with lr 0.01 falling linearly to a tenth',
      recipe: { kind: 'diffusion', training: recipeAtScale(scale, { optimizer: { decay: { linearTo: 0.1 } } }) },
    },
    { name: 'gan', about: 'generator and discriminator, Adam', recipe: { ...ganRecipe, lr: 1e-3, ...batch } },
    { name: 'vae', about: 'encoder and decoder, Adam', recipe: { ...vaeRecipe, lr: 2e-3, ...batch } },
    {
      name: 'classifier',
      about: "the discriminator's network with ten outputs, supervised, Adam",
      recipe: { kind: 'classifier', lr: 2e-3, beta1: 0.9, ...batch },
    },
  ];
  const size = { ...screeningSize[scale], validations: 0, sampleEvaluations: 0, ...resolution[scale] };
  return finalSeeds[scale].flatMap((seed) =>
    truncateForSmoke(arms, scale, 2).map((arm) => ({ stage: 'landscape', arm, size, seed })),
  );
}
