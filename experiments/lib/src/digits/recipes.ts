/** The recipes compared. All have the network, the batch size, and the data of the preset `mnist`. */
import { objectives, type PartialConfig } from '@dm/trainer';

/** Seeds of the comparison. */
export const seeds = [101, 102, 103] as const;

export interface Recipe {
  readonly description: string;
  readonly config: PartialConfig;
}

/** DDIM, as of `mnist`; the preset `mnist-fast` has another sampler. */
const ddim = { sampler: { type: 'ddim' } } satisfies PartialConfig;

export const recipes: Readonly<Record<string, Recipe>> = {
  mnist: {
    description: 'CLTS, MDLRC, AdamW, v-prediction on the cosine schedule (preset mnist)',
    config: { preset: 'mnist' },
  },
  'mnist-fast': {
    description:
      'average density of CLTS, Muon with linear decay, v-prediction on the linear schedule (preset mnist-fast)',
    config: { preset: 'mnist-fast', ...ddim },
  },
  'x0-v': {
    description: 'x0-prediction with the loss in v, otherwise as mnist-fast',
    config: { preset: 'mnist-fast', ...ddim, ...objectives['x0-v'] },
  },
  'flow-muon': {
    description: 'rectified flow with logit-normal times, Muon with linear decay',
    config: { preset: 'mnist-fast', ...objectives['flow'] },
  },
};

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
