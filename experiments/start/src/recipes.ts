/** The recipes compared, and how their images are sampled. */
import { digitRecipes, type DigitRecipe } from '@dm/experiments';

/** Seeds of the comparison. */
export const seeds = [101, 102, 103] as const;

export const recipes: Readonly<Record<string, DigitRecipe>> = digitRecipes;

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
