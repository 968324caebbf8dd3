/** The recipes compared, and how their images are sampled. */
import { digitRecipes, type DigitRecipe } from '@dm/experiments';
import type { PartialConfig } from '@dm/trainer';

/** Seeds of the comparison. */
export const seeds = [101, 102, 103] as const;

/** The schedule, the timesteps, and the draws of the winner of experiments/recipe-search. */
const winner = {
  diffusion: { schedule: { type: 'cosine' }, prediction: { type: 'v' } },
  curriculum: { type: 'speed' },
  timestepDraws: 'stratified',
} satisfies PartialConfig;

const scheduleFree = (lr: number): PartialConfig => ({
  ...digitRecipes['mnist-fast'].config,
  ...winner,
  optimizer: {
    type: 'scheduleFreeAdamW',
    lr,
    betas: [0.9, 0.999],
    weightDecay: 0,
    maxGradNorm: 1,
    warmup: 26, // 2% of the run, as in that search
    lrSchedule: { type: 'constant' },
    momentumDecay: null,
  },
  ema: { type: 'scheduleFree' },
});

/** Schedule-free AdamW, by learning rate: the best on the seed `selectionSeed` is compared with the others. */
export const scheduleFreeRates = [0.0005, 0.001, 0.002, 0.004, 0.008, 0.016] as const;
export const scheduleFreeName = (lr: number): string => `schedule-free-${lr}`;
export const selectionSeed = 1;

const compared: Readonly<Record<string, DigitRecipe>> = {
  ...digitRecipes,
  'muon-speed': {
    description: 'cosine schedule, SpeeD, and stratified timesteps, otherwise as mnist-fast',
    config: { ...digitRecipes['mnist-fast'].config, ...winner },
  },
};

export const recipes: Readonly<Record<string, DigitRecipe>> = {
  ...compared,
  ...Object.fromEntries(
    scheduleFreeRates.map((lr) => [
      scheduleFreeName(lr),
      {
        description: `schedule-free AdamW with learning rate ${lr}, otherwise as muon-speed`,
        config: scheduleFree(lr),
      },
    ]),
  ),
};

/** Recipes whose steps take different times. */
export const timed: Readonly<Record<string, Pick<DigitRecipe, 'config'>>> = {
  ...compared,
  'schedule-free': { config: scheduleFree(scheduleFreeRates[0]) },
};

/** The recipe in `timed` that has the step time of `recipe`. */
export const timedAs = (recipe: string): string => (recipe in compared ? recipe : 'schedule-free');

/** Names of the recipes that are trained with all seeds, given the best of `scheduleFreeRates`. */
export const finalists = (bestRate: number): readonly string[] => [
  ...Object.keys(compared),
  scheduleFreeName(bestRate),
];

/** How images are sampled: each setting evaluates the network 50 times per image. */
export interface SamplerSetting {
  /** Default: the sampler of the recipe. */
  readonly sampler?: string;
  readonly steps: number;
  readonly guidance: number;
}

// DDIM computes the noise from the model's output, not from the clipped x_0: with guidance, it spoils the digits.
export const samplerSettings: Readonly<Record<string, SamplerSetting>> = {
  plain: { steps: 50, guidance: 1 },
  'guidance 1.5': { sampler: 'dpmpp-2m', steps: 25, guidance: 1.5 },
};
