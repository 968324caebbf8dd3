/** The arms of `speedup`: the baseline, the ideas of the paper alone and combined, and the best recipe of an earlier search. */
import { muonRecipe, paperRecipes, recipeAtScale, type Arm, type Scale } from '@dm/experiments';

type Named = keyof typeof paperRecipes;

const about: Readonly<Record<Named, string>> = {
  baseline: 'uniform, constant lr',
  decayed: 'uniform, lr linear to 10%',
  clts: 'CLTS, constant lr',
  mdlrc: 'uniform, MDLRC',
  'clts-mdlrc': 'CLTS and MDLRC',
};

/** The order of the short runs: those that the verdict needs come first. */
const order = ['clts-mdlrc', 'decayed', 'best', 'clts', 'mdlrc'];

export function arms(scale: Scale): Arm[] {
  const names = Object.keys(about) as Named[];
  return [
    ...names.map((name) => ({ name, about: about[name], recipe: recipeAtScale(scale, paperRecipes[name]) })),
    {
      name: 'best',
      about: 'the best recipe of an earlier search: Muon, linear decay, v-prediction, mean density of CLTS',
      recipe: muonRecipe(scale),
    },
  ];
}

/** All arms except the baseline, and the divisors of the number of images for their short runs. */
export function shortArms(scale: Scale): { readonly arm: Arm; readonly divisors: readonly number[] }[] {
  return arms(scale)
    .filter(({ name }) => order.includes(name))
    .toSorted((a, b) => order.indexOf(a.name) - order.indexOf(b.name))
    .map((arm) => ({ arm, divisors: arm.name === 'best' ? [2, 4] : [2] }));
}

/**
 * The baseline and the paper's method at half, equal, and double the learning rate, to check that 0.01 is fair to both.
 */
export function learningRateArms(scale: Scale): Arm[] {
  return (['baseline', 'clts-mdlrc'] as const).flatMap((name) =>
    [0.5, 1, 2].map((times) => {
      const recipe = recipeAtScale(scale, paperRecipes[name]);
      const lr = recipe.optimizer.lr * times;
      return {
        name: `${name}-lr${lr}`,
        about: `${about[name]}, lr ${lr}`,
        recipe: { ...recipe, optimizer: { ...recipe.optimizer, lr } },
      };
    }),
  );
}
