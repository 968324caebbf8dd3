/** Recipes that train readable digits in the time of `npm start`, all with the network, batch size, and data of `mnist`. */
import { objectives, type PartialConfig } from '@dm/trainer';

export interface DigitRecipe {
  readonly description: string;
  readonly config: PartialConfig;
}

/** DDIM, as of `mnist`; the preset `mnist-fast` has another sampler. */
const ddim = { sampler: { type: 'ddim' } } satisfies PartialConfig;

export const digitRecipes = {
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
} as const satisfies Readonly<Record<string, DigitRecipe>>;
