/** The trials: a grid of momentum and learning rate with one seed, and the best learning rates with fresh seeds. */
import { finalSize, recipe, truncateForSmoke, type AnyTrial, type Arm, type Scale, type Size } from '@dm/experiments';

/** Values of AdamW's beta1. */
export const betas = [0, 0.5, 0.8, 0.9, 0.95, 0.98] as const;

/** The beta1 that the others are compared with. */
export const BASE = 0.9;

/** Learning rates: octave steps, those in the middle first, so that an interrupted grid has the optima. */
const learningRates = [3, 2, 4, 1, 5, 0, 6, 7].map((k) => 5e-4 * 2 ** k);

/** Number of top Hessian eigenvectors, and of random directions as a control. */
export const DIRECTIONS = 5;

/** Measurements of a run, in addition to its size. */
interface Measurements {
  /** Training images that are held out for validation: the last ones. The grid is measured on them. */
  readonly holdOut: number;
  /** Images in the validation loss, each with one draw of noise in each noise bucket. */
  readonly lossImages: number;
  /** Steps at the end of a final run during which the parameters are recorded; 0 for the grid. */
  readonly window: number;
  /** Maximum lag of the autocorrelation, in steps. */
  readonly lags: number;
  /** Images of the loss whose Hessian is computed, and number of Lanczos steps. */
  readonly probeImages: number;
  readonly lanczos: number;
}

export interface MomentumTrial extends AnyTrial {
  readonly arm: Arm;
  readonly size: Size & Measurements;
}

/** `laptop`: 41,609 parameters, 5000 steps: 100 horizons 1 / (1 - beta1) of the largest beta1. */
const sizes: Readonly<Record<Scale, MomentumTrial['size']>> = {
  smoke: {
    ...finalSize.smoke,
    images: 16 * 30,
    validations: 2,
    holdOut: 64,
    lossImages: 16,
    window: 0,
    lags: 4,
    probeImages: 8,
    lanczos: 6,
  },
  laptop: {
    ...finalSize.laptop,
    unet: finalSize.smoke.unet,
    images: 16 * 5000,
    validations: 1,
    holdOut: 5000,
    lossImages: 512,
    window: 0,
    lags: 200,
    probeImages: 128,
    lanczos: 30,
  },
  full: {
    ...finalSize.full,
    validations: 1,
    holdOut: 5000,
    lossImages: 5000,
    window: 0,
    lags: 200,
    probeImages: 256,
    lanczos: 30,
  },
};

const batchSizes: Readonly<Record<Scale, number>> = { smoke: 16, laptop: 16, full: 128 };

/** Seed of the grid, different from the seeds of the finals. */
const TUNING_SEED = 10;
const finalSeeds: Readonly<Record<Scale, readonly number[]>> = { smoke: [0], laptop: [0, 1, 2], full: [0, 1, 2] };

export const stepsOf = (scale: Scale): number => sizes[scale].images / batchSizes[scale];
/** The last fifth of a run; none in `full`, whose recorded parameters would not fit in memory. */
export const windowOf = (scale: Scale): number => (scale === 'full' ? 0 : stepsOf(scale) / 5);

function arm(beta1: number, lr: number, scale: Scale): Arm {
  const { images } = sizes[scale];
  return {
    name: `beta1-${beta1}-lr${lr}`,
    about: `beta1 ${beta1}, lr ${lr}`,
    recipe: recipe({
      optimizer: { momentum: beta1, lr, warmup: Math.round(stepsOf(scale) / 50) },
      prediction: 'v',
      batch: [{ share: 1, size: batchSizes[scale] }],
      emaHalfLife: images / 20,
    }),
  };
}

/** Every beta1 with every learning rate, one seed. */
export function gridTrials(scale: Scale): MomentumTrial[] {
  return truncateForSmoke(learningRates, scale, 2).flatMap((lr) =>
    truncateForSmoke(betas, scale, 1).map((beta1) => ({
      stage: 'grid',
      arm: arm(beta1, lr, scale),
      size: sizes[scale],
      seed: TUNING_SEED,
    })),
  );
}

/** Each beta1 at its best learning rate, with fresh seeds and more measurements. */
export function finalTrials(scale: Scale, best: ReadonlyMap<number, number>): MomentumTrial[] {
  const size = { ...sizes[scale], validations: 2 * 10, window: windowOf(scale) };
  return finalSeeds[scale].flatMap((seed) =>
    [...best].map(([beta1, lr]) => ({ stage: 'final', arm: arm(beta1, lr, scale), size, seed })),
  );
}
