/** Recipes that are used in several experiments. */
import { recipe, type TrainingRecipe } from './recipe.js';
import { batchSize, type Scale } from './sizes.js';

type Changes = Parameters<typeof recipe>[0];

const mdlrc = { demon: true, compensate: true } as const;

/** The baseline with `changes`, at the batch size of the configuration. */
export function recipeAtScale(scale: Scale, changes: Changes = {}): TrainingRecipe {
  return recipe({ batch: [{ share: 1, size: batchSize[scale] }], ...changes });
}

/**
 * The reading of CLTS nearest to public code, as in the experiment `primary`: a wide Gaussian that replaces the uniform
 * density at 75% of the run.
 */
export const publicClts: TrainingRecipe['curriculum'] = {
  name: 'clts',
  params: { sigma: 0.5, lambdaMax: 1, rampShare: 0.75 },
};

/** The two ideas of the paper, alone and combined, and the learning-rate decay that MDLRC implies. */
export const paperRecipes = {
  /** Uniform timesteps and a constant learning rate. */
  baseline: {},
  /** Uniform timesteps and a linear decay of the learning rate to one tenth. */
  decayed: { optimizer: { decay: { linearTo: 0.1 } } },
  clts: { curriculum: { name: 'clts' } },
  mdlrc: { optimizer: mdlrc },
  'clts-mdlrc': { curriculum: { name: 'clts' }, optimizer: mdlrc },
} as const satisfies Record<string, Changes>;

/**
 * The winner of a search before the experiment `recipe-search`: Muon with a linear learning-rate decay, v-prediction, and
 * CLTS's time-averaged timestep density. The preset `mnist-fast` of @dm/trainer uses the same components.
 */
export function muonRecipe(scale: Scale): TrainingRecipe {
  return recipeAtScale(scale, {
    curriculum: { name: 'cltsTimeAverage' },
    prediction: 'v',
    optimizer: { name: 'muon', decay: { linearTo: 0.1 }, momentum: 0.95, lr: 3e-2, adamLr: 3e-3 },
  });
}
