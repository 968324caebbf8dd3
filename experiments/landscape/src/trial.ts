/** The trials: four tasks for one UNet, with every seed, and the resolution at which their landscapes are measured. */
import {
  batchSize,
  recipeAtScale,
  screeningSize,
  type AnyTrial,
  type GanRecipe,
  type Scale,
  type Size,
  type TrainingRecipe,
} from '@dm/experiments';

/** The masked autoencoder and the classifier: Adam with the learning-rate schedule of the denoiser. */
export interface SupervisedRecipe {
  readonly kind: 'autoencoder' | 'classifier';
  /** Peak learning rate, after a warm-up of `warmup` steps; it decays linearly to `finalRatio` of it. */
  readonly lr: number;
  readonly warmup: number;
  readonly finalRatio: number;
  readonly beta1: number;
  readonly batchSize: number;
}

export type TaskRecipe =
  { readonly kind: 'denoiser'; readonly training: TrainingRecipe } | GanRecipe | SupervisedRecipe;

/** Resolution of the measurements. */
export interface Resolution {
  /** Held-out images for the whole loss; a noise range uses a quarter of them. */
  readonly probeImages: number;
  /** Number of equal timestep ranges to measure for the denoiser, in addition to the whole; 0 for none. */
  readonly buckets: number;
  /** Points on the line from the initial to the trained weights. */
  readonly line: number;
  /** Number of random directions for the typical curvature. */
  readonly directions: number;
  /** Number of Lanczos steps. */
  readonly lanczos: number;
  /** Generated images for the Fréchet distance of the GAN. */
  readonly generated: number;
}

export interface LandscapeTrial extends AnyTrial {
  readonly arm: { readonly name: string; readonly about: string; readonly recipe: TaskRecipe };
  readonly size: Size & Resolution;
}

const resolution: Readonly<Record<Scale, Resolution>> = {
  smoke: { probeImages: 16, buckets: 2, line: 3, directions: 2, lanczos: 3, generated: 16 },
  laptop: { probeImages: 64, buckets: 4, line: 11, directions: 6, lanczos: 12, generated: 500 },
  full: { probeImages: 256, buckets: 4, line: 31, directions: 8, lanczos: 40, generated: 5000 },
};

/** 400 steps of 32 images on a laptop. */
const runLength: Readonly<Record<Scale, Partial<Size>>> = { smoke: {}, laptop: { images: 12_800 }, full: {} };

const seeds: Readonly<Record<Scale, readonly number[]>> = {
  smoke: [0],
  laptop: [0, 1, 2, 3, 4, 5, 6, 7],
  full: [0, 1, 2],
};

/** Number of seeds with which noise ranges are measured. */
export const SEEDS_BY_NOISE = 3;

/** All four tasks with the first seed, then with the next, so that an interrupted experiment has whole seeds. */
export function trials(scale: Scale): LandscapeTrial[] {
  const batch = { batchSize: batchSize[scale] };
  const [lr, finalRatio, warmup] = [5e-3, 0.1, 50];
  const supervised = { lr, warmup, finalRatio, beta1: 0.9, ...batch };
  const arms: LandscapeTrial['arm'][] = [
    {
      name: 'denoiser',
      about: 'predicts epsilon (diffusion, T = 1000, linear schedule)',
      recipe: {
        kind: 'denoiser',
        training: recipeAtScale(scale, { optimizer: { lr, warmup, decay: { linearTo: finalRatio } } }),
      },
    },
    {
      name: 'gan',
      about: 'GAN generator: noise image to image, against a discriminator with SiLU',
      recipe: { kind: 'gan', lr: 1e-3, beta1: 0.5, emaHalfLife: 2000, ...batch },
    },
    {
      name: 'autoencoder',
      about: 'masked autoencoder: reconstructs the hidden half of the pixels',
      recipe: { kind: 'autoencoder', ...supervised },
    },
    {
      name: 'classifier',
      about: 'ten output channels, averaged over all pixels: cross-entropy of the digits',
      recipe: { kind: 'classifier', ...supervised },
    },
  ];
  const size = {
    ...screeningSize[scale],
    validations: 0,
    sampleEvaluations: 0,
    ...resolution[scale],
    ...runLength[scale],
  };
  return seeds[scale].flatMap((seed) =>
    arms.map((arm) => ({
      stage: 'landscape',
      arm,
      // Noise ranges take as long as all other measurements together.
      size: seed < SEEDS_BY_NOISE ? size : { ...size, buckets: 0 },
      seed,
    })),
  );
}
