/** How much sooner than the baseline does a recipe end as well? */
import {
  bestRecipeNotice,
  finalSeeds,
  finalSize,
  measurementMethod,
  shortTrials,
  truncateForSmoke,
  trialGrid,
  type Experiment,
  type Scale,
} from '@dm/experiments';
import { arms, learningRateArms, shortArms } from './arms.js';
import { stepTimeTrial } from './step-times.js';
import { conclude } from './conclusion.js';
import type { SpeedupResult, SpeedupTrial } from './trial-types.js';

/** Rounds of the step times, five steps of every recipe each. */
const ROUNDS: Readonly<Record<Scale, number>> = { smoke: 1, laptop: 40, full: 40 };

export const speedup: Experiment<SpeedupTrial, SpeedupResult> = {
  name: 'speedup',
  summary: 'CLTS and momentum decay together train 2 times as fast',
  claim:
    'CLTS and momentum decay speed up the training of diffusion models (arXiv:2404.07946, abstract; reviews and summaries ' +
    'tell of 2 to 2.6 times).',
  notice: bestRecipeNotice,
  setup: (scale) => [
    `Each recipe is trained with ${finalSeeds[scale].length} seeds on ${finalSize[scale].images} images and on a half of them, ` +
      'our best one on a quarter as well. AdamW has the highest lr 0.01, which the experiment momentum chose for the ' +
      'baseline; the last table has other rates. All have 50 steps of warm-up, the same batch (so that images are steps), ' +
      'clipping to norm 1, EMA half-life 2000 images, the linear noise schedule, T = 1000 and epsilon-prediction, save for ' +
      'what our best recipe changes.',
    'Speed-up in steps: images of the whole baseline run over those at which a recipe, trained whole, ends at the ' +
      "baseline's final value (mean over seeds), interpolated between the lengths seed by seed; a schedule that spans the run " +
      'ends well only at its end. The second table has the steps within one long run, between its evaluations.',
    'Step times are measured in one process with one thread, five steps of every recipe in turn, batches and timesteps ' +
      'included, measurements and checkpoints not.',
    measurementMethod(finalSize[scale]),
  ],
  stages: [
    {
      name: 'whole',
      about: 'all recipes at full length.',
      trials: (scale) =>
        trialGrid('whole', truncateForSmoke(arms(scale), scale, 2), finalSize[scale], finalSeeds[scale]),
    },
    {
      name: 'short',
      about: 'the same in fewer images.',
      trials: (scale) =>
        truncateForSmoke(shortArms(scale), scale, 1).flatMap(({ arm, divisors }) =>
          shortTrials('short', arm, finalSize[scale], divisors, finalSeeds[scale]),
        ),
    },
    {
      name: 'rates',
      about: 'the baseline and the method at other learning rates, one seed.',
      trials: (scale) => trialGrid('rates', truncateForSmoke(learningRateArms(scale), scale, 1), finalSize[scale], [0]),
    },
    {
      name: 'clock',
      about: 'step times of all recipes side by side.',
      trials: (scale) => [stepTimeTrial(truncateForSmoke(arms(scale), scale, 2), finalSize[scale], ROUNDS[scale])],
    },
  ],
  conclude,
};
