/** The arms of `speedup`: whole runs, and shorter ones that have to end as well as the baseline does. */
import { bestRecipe, paperRecipes, sized, type Arm, type Scale, type TrainingRecipe } from '@dm/experiments';

export function wholeRuns(scale: Scale): Arm[] {
  return [
    { name: 'baseline', about: 'uniform, constant lr', recipe: sized(scale, paperRecipes.baseline) },
    { name: 'decayed', about: 'uniform, lr linear to 10 %', recipe: sized(scale, paperRecipes.decayed) },
    { name: 'clts', about: 'CLTS, constant lr', recipe: sized(scale, paperRecipes.clts) },
    { name: 'mdlrc', about: 'uniform, MDLRC', recipe: sized(scale, paperRecipes.mdlrc) },
    { name: 'clts-mdlrc', about: 'CLTS and MDLRC', recipe: sized(scale, paperRecipes.both) },
    best(scale),
  ];
}

/** A schedule that spans the run ends well only at its end: so the same recipes in half of the steps, and in a third. */
export function shortRuns(scale: Scale): readonly { readonly share: number; readonly arm: Arm }[] {
  const both = sized(scale, paperRecipes.both);
  const short = (name: string, about: string, recipe: TrainingRecipe, share: number) => ({
    share,
    arm: { name, about, recipe },
  });
  return [
    short('clts-mdlrc-half', 'CLTS and MDLRC, half of the images', both, 1 / 2),
    short('decayed-half', 'uniform, lr linear to 10 %, half of the images', sized(scale, paperRecipes.decayed), 1 / 2),
    short('best-half', 'our best recipe, half of the images', best(scale).recipe, 1 / 2),
    short('best-third', 'our best recipe, a third of the images', best(scale).recipe, 1 / 3),
  ];
}

function best(scale: Scale): Arm {
  return { name: 'best', about: 'our best recipe, of the experiment best', recipe: bestRecipe(scale) };
}
