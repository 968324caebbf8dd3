/** How many times fewer steps than the baseline does a recipe need for the same quality? */
import {
  bestRecipeNotice,
  type Experiment,
  finalSeeds,
  finalSize,
  measurementMethod,
  type Scale,
  shortTrials,
  stepTimeTrial,
  trialGrid,
  truncateForSmoke,
} from '@dm/experiments';
import { arms, learningRateArms, shortArms } from './arms.js';
import { conclude } from './conclusion.js';
import type { SpeedupResult, SpeedupTrial } from './trial-types.js';

/** Rounds of the step-time measurement, each with five steps per recipe. */
const ROUNDS: Readonly<Record<Scale, number>> = { smoke: 1, laptop: 40, full: 40 };

export const speedup: Experiment<SpeedupTrial, SpeedupResult> = {
  name: 'speedup',
  summary: 'CLTS and momentum decay together train 2 times as fast',
  claim:
    'CLTS and momentum decay speed up the training of diffusion models (arXiv:2404.07946, abstract). A summary reports ' +
    'factors of 2 to 2.6 (https://www.sciencestack.ai/paper/2404.07946).',
  notice: bestRecipeNotice,
  setup: (scale) => [
    `Each recipe is trained with ${finalSeeds[scale].length} seeds on ${finalSize[scale].images} images and on half of them; ` +
      'the best recipe of an earlier search also on a quarter. AdamW uses a peak learning rate of 0.01, which was the best one for the baseline ' +
      'in the experiment momentum; the last table has other learning rates. All recipes use 50 warm-up steps, the same ' +
      'batch size (so ratios of images are ratios of steps), gradient clipping to norm 1, EMA half-life 2000 images, the ' +
      'linear noise schedule, T = 1000, and epsilon-prediction, except for the changes of the best recipe.',
    'The speed-up in steps is the number of steps of the baseline run / the number of steps with which a complete run of ' +
      "the recipe reaches the baseline's final value (mean over seeds), interpolated between run lengths, per seed. Complete " +
      'runs are compared because a recipe with a learning-rate decay is good only at the end of the decay. Another table ' +
      'has the speed-up within one long run, interpolated between its evaluations.',
    'Step times are measured in one process with one thread, in turns of five steps per recipe. They include batches and ' +
      'timesteps, but not measurements and checkpoints.',
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
      about: 'complete runs on fewer images.',
      trials: (scale) =>
        truncateForSmoke(shortArms(scale), scale, 1).flatMap(({ arm, divisors }) =>
          shortTrials('short', arm, finalSize[scale], divisors, finalSeeds[scale]),
        ),
    },
    {
      name: 'rates',
      about: "the baseline and the paper's method at other learning rates, one seed.",
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
