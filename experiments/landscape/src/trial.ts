/** What is trained, and how closely its landscape is looked at. */
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
  /** Adam's. */
  readonly lr: number;
  readonly beta1: number;
  readonly batchSize: number;
}

export type NetworkRecipe =
  { readonly kind: 'diffusion'; readonly training: TrainingRecipe } | GanRecipe | VaeRecipe | ClassifierRecipe;

/** Counts of the measurement. */
export interface Resolution {
  /** Held-out images of the whole loss; a range of noise has a quarter of them. */
  readonly probeImages: number;
  /** Equal ranges of timesteps that the diffusion model is looked at in, beside the whole. */
  readonly buckets: number;
  /** Points of a line from 0 to 1. */
  readonly line: number;
  /** Random directions, and points of each slice, odd, from -1 to 1. */
  readonly directions: number;
  readonly slice: number;
  /** Points a side of the plane, odd. */
  readonly plane: number;
  /** Lanczos steps. */
  readonly lanczos: number;
}

export interface LandscapeTrial extends AnyTrial {
  readonly arm: { readonly name: string; readonly about: string; readonly recipe: NetworkRecipe };
  readonly size: Size & Resolution;
}

/** The partner of a training has another seed: another start, data order and noise. */
export const PARTNER = 100;

const resolution: Readonly<Record<Scale, Resolution>> = {
  smoke: { probeImages: 16, buckets: 2, line: 3, directions: 1, slice: 3, plane: 3, lanczos: 3 },
  laptop: { probeImages: 128, buckets: 4, line: 21, directions: 2, slice: 15, plane: 9, lanczos: 20 },
  full: { probeImages: 256, buckets: 4, line: 31, directions: 3, slice: 21, plane: 21, lanczos: 40 },
};

/** Every kind of model at every seed. */
export function trials(scale: Scale): LandscapeTrial[] {
  const batch = { batchSize: batchSize[scale] };
  const arms: LandscapeTrial['arm'][] = [
    {
      name: 'diffusion',
      about: 'UNet, predicts epsilon, AdamW with lr 0.01 falling linearly to a tenth',
      recipe: { kind: 'diffusion', training: recipeAtScale(scale, { optimizer: { decay: { linearTo: 0.1 } } }) },
    },
    { name: 'gan', about: 'generator and discriminator, Adam', recipe: { ...ganRecipe, ...batch } },
    { name: 'vae', about: 'encoder and decoder, Adam', recipe: { ...vaeRecipe, ...batch } },
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
