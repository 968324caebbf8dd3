/** Recipes that several experiments name. */
import { recipe, type TrainingRecipe } from './recipe.js';
import { batchSize, type Scale } from './sizes.js';

type Changes = Parameters<typeof recipe>[0];

const mdlrc = { demon: true, compensate: true } as const;

/** A recipe at the configuration's batch size. */
export function recipeAtScale(scale: Scale, changes: Changes = {}): TrainingRecipe {
  return recipe({ batch: [{ share: 1, size: batchSize[scale] }], ...changes });
}

/** The paper's two ideas, alone and together, and the learning-rate decay that the second one contains. */
export const paperRecipes = {
  /** Uniform timesteps, constant lr. */
  baseline: {},
  /** Uniform timesteps, lr linear to a tenth. */
  decayed: { optimizer: { decay: { linearTo: 0.1 } } },
  clts: { curriculum: { name: 'clts' } },
  mdlrc: { optimizer: mdlrc },
  'clts-mdlrc': { curriculum: { name: 'clts' }, optimizer: mdlrc },
} as const satisfies Record<string, Changes>;

/**
 * The recipe that leads the experiment `best`: Muon with a linear decay of the learning rate, v-prediction, and at every step the
 * density that CLTS has on average. The preset `mnist-fast` of @dm/trainer has the same parts.
 */
export function bestRecipe(scale: Scale): TrainingRecipe {
  return recipeAtScale(scale, {
    curriculum: { name: 'cltsTimeAverage' },
    prediction: 'v',
    optimizer: { name: 'muon', decay: { linearTo: 0.1 }, momentum: 0.95, lr: 3e-2, adamLr: 3e-3 },
  });
}
