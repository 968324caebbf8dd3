/** The trials: long runs whose final loss is taken as the optimum, and runs on all, noisy, or clean timesteps. */
import { finalSize, recipe, truncateForSmoke, type AnyTrial, type Arm, type Scale, type Size } from '@dm/experiments';

/** Equal ranges of timesteps, from clean to noisy. */
export const BUCKETS = 10;
/** Number of diffusion timesteps. */
export const TIMESTEPS = 1000;
/** The clean half of the timesteps is [0, MIDDLE), the noisy half [MIDDLE, TIMESTEPS). */
export const MIDDLE = 500;

/** Measurements of a run, in addition to its size. */
interface Measurements {
  /** Timesteps [from, to) that are trained, all with the same probability. */
  readonly timesteps: readonly [from: number, to: number];
  /** Test images in the loss of each bucket, with the same noise in each. */
  readonly lossImages: number;
  /** Groups of 32 test images whose gradients are compared in each bucket; 0 for none. */
  readonly gradientGroups: number;
  /** Test images in the loss of the posterior mean; 0 if the bounds are not computed. */
  readonly boundImages: number;
}

export interface DifficultyTrial extends AnyTrial {
  readonly arm: Arm;
  readonly size: Size & Measurements;
}

/** `laptop`: 41,609 parameters, 5000 steps. */
const sizes: Readonly<Record<Scale, DifficultyTrial['size']>> = {
  smoke: {
    ...finalSize.smoke,
    images: 16 * 12,
    timesteps: [0, TIMESTEPS],
    lossImages: 16,
    gradientGroups: 2,
    boundImages: 20,
  },
  laptop: {
    ...finalSize.laptop,
    unet: finalSize.smoke.unet,
    images: 16 * 5000,
    timesteps: [0, TIMESTEPS],
    lossImages: 256,
    gradientGroups: 8,
    boundImages: 10_000,
  },
  full: {
    ...finalSize.full,
    timesteps: [0, TIMESTEPS],
    lossImages: 2048,
    gradientGroups: 8,
    boundImages: 10_000,
  },
};

const batchSizes: Readonly<Record<Scale, number>> = { smoke: 16, laptop: 16, full: 128 };
/** How many times as long as the others the runs are whose final loss is taken as the optimum. */
export const REFERENCE_LENGTH = 8;

const referenceSeeds: Readonly<Record<Scale, readonly number[]>> = { smoke: [10], laptop: [10, 11], full: [10, 11] };
const trainingSeeds: Readonly<Record<Scale, readonly number[]>> = { smoke: [0], laptop: [0, 1, 2], full: [0, 1, 2] };

export const stepsOf = (scale: Scale): number => sizes[scale].images / batchSizes[scale];
/** Steps after which a run is measured: 1, and then by factors of about the square root of 2 up to the last one. */
export const measuredSteps = (steps: number): readonly number[] =>
  Array.from({ length: Math.floor(2 * Math.log2(steps)) + 1 }, (_, k) => Math.round(steps / 2 ** (k / 2)))
    .toReversed()
    .filter((step, i, all) => step !== all[i - 1]);

const armOf = (
  name: string,
  about: string,
  scale: Scale,
  prediction: 'epsilon' | 'v',
  images: number,
  decay: 'constant' | 'cosine' = 'constant',
): Arm => ({
  name,
  about,
  recipe: recipe({
    optimizer: { lr: 4e-3, warmup: Math.round(stepsOf(scale) / 50), decay },
    prediction,
    batch: [{ share: 1, size: batchSizes[scale] }],
    emaHalfLife: images / 20,
  }),
});

/** Long runs with a learning rate that decays to 0; the first one also computes the bounds. */
export function referenceTrials(scale: Scale): DifficultyTrial[] {
  const { images, ...size } = sizes[scale];
  const long = images * REFERENCE_LENGTH;
  return referenceSeeds[scale].map((seed, k) => ({
    stage: 'reference',
    arm: armOf('long', `v, all timesteps, ${REFERENCE_LENGTH} times as long`, scale, 'v', long, 'cosine'),
    size: { ...size, images: long, gradientGroups: 0, boundImages: k === 0 ? size.boundImages : 0 },
    seed,
  }));
}

export const arms = {
  v: { prediction: 'v', timesteps: [0, TIMESTEPS], about: 'v, all timesteps' },
  epsilon: { prediction: 'epsilon', timesteps: [0, TIMESTEPS], about: 'epsilon, all timesteps' },
  'v-noisy': { prediction: 'v', timesteps: [MIDDLE, TIMESTEPS], about: `v, only t >= ${MIDDLE}` },
  'v-clean': { prediction: 'v', timesteps: [0, MIDDLE], about: `v, only t < ${MIDDLE}` },
} as const;
export type ArmName = keyof typeof arms;

export function trainingTrials(scale: Scale): DifficultyTrial[] {
  const size = { ...sizes[scale], boundImages: 0 };
  return trainingSeeds[scale].flatMap((seed) =>
    truncateForSmoke(Object.entries(arms), scale, 3).map(([name, { prediction, timesteps, about }]) => ({
      stage: 'training',
      arm: armOf(name, about, scale, prediction, size.images),
      size: { ...size, timesteps },
      seed,
    })),
  );
}
