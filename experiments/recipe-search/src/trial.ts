/** The trials: tuning and search with one seed on validation images, and finals with fresh seeds on test images. */
import {
  finalSize,
  recipe,
  truncateForSmoke,
  type Arm,
  type CurveMeasurements,
  type CurveTrial,
  type Scale,
  type Size,
  type TrainingRecipe,
} from '@dm/experiments';
import { families, tuned, type Change, type Changes, type Family } from './recipes.js';

type SearchStage = 'rates' | 'edges' | 'baseline' | 'changes' | 'together';

export interface SearchTrial extends CurveTrial {
  readonly stage: SearchStage | 'final';
}

interface Sizes {
  /** Images of a run of length N. */
  readonly images: number;
  readonly batchSize: number;
  readonly size: Omit<Size, 'images'> & Pick<CurveMeasurements, 'holdOut' | 'lossImages'>;
}

/** `laptop`: 41,609 parameters, N = 80,000 images, 5000 steps. */
const sizes: Readonly<Record<Scale, Sizes>> = {
  smoke: {
    images: 16 * 8,
    batchSize: 16,
    size: { ...finalSize.smoke, samples: 16, samplerSteps: 2, holdOut: 64, lossImages: 16 },
  },
  laptop: {
    images: 16 * 5000,
    batchSize: 16,
    size: {
      ...finalSize.laptop,
      unet: finalSize.smoke.unet,
      samples: 2000,
      samplerSteps: 50,
      holdOut: 5000,
      lossImages: 512,
    },
  },
  full: {
    images: finalSize.full.images / 4,
    batchSize: 128,
    size: { ...finalSize.full, holdOut: 5000, lossImages: 5000 },
  },
};

/** Seed of tuning and search, different from the seeds of the finals. */
const SEARCH_SEED = 10;
export const finalSeeds: Readonly<Record<Scale, readonly number[]>> = {
  smoke: [0, 1],
  laptop: [0, 1, 2],
  full: [0, 1, 2],
};
/** Length of the runs of tuning and search, as a fraction of N. */
export const SEARCH_LENGTH = 1 / 2;
/** Length of the runs that tune the baseline's learning rate again. */
export const BASELINE_TUNING = 2;
/** Length of the baseline's final runs. */
export const BASELINE_LENGTH = 4;
/** Lengths of complete runs of the other finalists. */
export const LENGTHS: readonly number[] = [1 / 4, 1 / 2, 1];

/** Sets of training images that give the floor of the distances of samples. */
const FLOOR_SETS = 4;

export const imagesOf = (scale: Scale): number => sizes[scale].images;
export const batchSizeOf = (scale: Scale): number => sizes[scale].batchSize;
export const sizeOf = (scale: Scale): Sizes['size'] => sizes[scale].size;

/**
 * A v-network with uniform timesteps and the optimizer of a family, with changes. The warm-up is 2% of the steps of a run of
 * `length` N, which for the baseline is N: longer runs of it only continue the same curve.
 */
function searchRecipe(
  scale: Scale,
  length: number,
  family: Family,
  lr: number,
  changes: readonly Change[] = [],
): TrainingRecipe {
  const { batchSize, images } = sizes[scale];
  const base = recipe({
    optimizer: { ...tuned(family, lr), warmup: Math.max(1, Math.round((length * images) / batchSize / 50)) },
    prediction: 'v',
    batch: [{ share: 1, size: batchSize }],
    // So that `emaRampUp`, a fraction of the images seen, determines the half-life at all times.
    emaHalfLife: BASELINE_LENGTH * images,
  });
  return changes.reduce((all, { changes: change }: { readonly changes: Changes }) => recipe(change, all), base);
}

function trial(
  stage: SearchTrial['stage'],
  arm: Arm,
  scale: Scale,
  length: number,
  seed: number,
  measured: Partial<Pick<CurveMeasurements, 'readAt' | 'sampleAt' | 'floorSets'>> = {},
): SearchTrial {
  const images = Math.round(length * sizes[scale].images);
  const split = stage === 'final' ? 'test' : 'validation';
  return {
    stage,
    arm,
    size: { ...sizes[scale].size, split, images, readAt: [images], sampleAt: [], floorSets: 0, ...measured },
    seed,
  };
}

/** A run of tuning or search. */
export function searchTrial(
  stage: SearchStage,
  scale: Scale,
  family: Family,
  lr: number,
  changes: readonly Change[] = [],
): SearchTrial {
  const about = [`${family.about}, lr ${lr}`, ...changes.map((change) => change.about)].join(', ');
  const name = [`${family.name}-lr${lr}`, ...changes.map((change) => change.name)].join('+');
  const length = stage === 'baseline' ? BASELINE_TUNING : SEARCH_LENGTH;
  const arm = { name, about, recipe: searchRecipe(scale, stage === 'baseline' ? 1 : length, family, lr, changes) };
  return trial(stage, arm, scale, length, SEARCH_SEED);
}

/** Every family with every learning rate. */
export function rateTrials(scale: Scale): SearchTrial[] {
  return truncateForSmoke(families, scale, 3).flatMap((family) =>
    truncateForSmoke(family.lrs, scale, 1).map((lr) => searchTrial('rates', scale, family, lr)),
  );
}

/** A recipe of the finals. */
export interface Finalist {
  readonly name: string;
  readonly about: string;
  readonly family: Family;
  readonly lr: number;
  readonly changes: readonly Change[];
}

/** The baseline's curve: runs of 4 N, read from N / 8 on at intervals of half an octave; samples at octaves from N / 2. */
export function baselineTrials(scale: Scale, { name, about, family, lr }: Finalist): SearchTrial[] {
  const images = BASELINE_LENGTH * sizes[scale].images;
  const atStep = (count: number) => Math.round(count / sizes[scale].batchSize) * sizes[scale].batchSize;
  const readAt = [...new Set(Array.from({ length: 11 }, (_, k) => atStep(images / 2 ** (k / 2))))].toReversed();
  const sampleAt = truncateForSmoke([8, 4, 2, 1], scale, 2).map((divisor) => images / divisor);
  const arm = { name, about, recipe: searchRecipe(scale, 1, family, lr) };
  return finalSeeds[scale].map((seed, k) =>
    trial('final', arm, scale, BASELINE_LENGTH, seed, { readAt, sampleAt, floorSets: k === 0 ? FLOOR_SETS : 0 }),
  );
}

/** Complete runs of a finalist at each length. */
export function finalistTrials(scale: Scale, { name, about, family, lr, changes }: Finalist): SearchTrial[] {
  return LENGTHS.flatMap((length) => {
    const images = Math.round(length * sizes[scale].images);
    const arm = { name: `${name}-${length}`, about, recipe: searchRecipe(scale, length, family, lr, changes) };
    return finalSeeds[scale].map((seed) => trial('final', arm, scale, length, seed, { sampleAt: [images] }));
  });
}
