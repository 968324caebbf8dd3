/** The arms of `speedup`: the baseline, the paper's ideas alone and together, and our best recipe. */
import { bestRecipe, paperRecipes, sized, type Arm, type Scale } from '@dm/experiments';

type Named = keyof typeof paperRecipes;

const about: Readonly<Record<Named, string>> = {
  baseline: 'uniform, constant lr',
  decayed: 'uniform, lr linear to 10 %',
  clts: 'CLTS, constant lr',
  mdlrc: 'uniform, MDLRC',
  'clts-mdlrc': 'CLTS and MDLRC',
};

export function arms(scale: Scale): Arm[] {
  const names = Object.keys(about) as Named[];
  return [
    ...names.map((name) => ({ name, about: about[name], recipe: sized(scale, paperRecipes[name]) })),
    { name: 'best', about: 'our best recipe, of the experiment best', recipe: bestRecipe(scale) },
  ];
}

/** The baseline, the decay and the method at half and at twice the learning rate: is 0.01 fair to each? */
export function otherRates(scale: Scale): Arm[] {
  return (['baseline', 'decayed', 'clts-mdlrc'] as const).flatMap((name) =>
    [0.5, 1, 2].map((times) => {
      const recipe = sized(scale, paperRecipes[name]);
      const lr = recipe.optimizer.lr * times;
      return {
        name: `${name}-lr${lr}`,
        about: `${about[name]}, lr ${lr}`,
        recipe: { ...recipe, optimizer: { ...recipe.optimizer, lr } },
      };
    }),
  );
}
