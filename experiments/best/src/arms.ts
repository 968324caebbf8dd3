/** The arms of `best`: one part of a good recipe changed at a time, then pairs of what may add up. */
import { batchSize, bestRecipe, paperRecipes, recipe, sized, type Arm, type Scale } from '@dm/experiments';

type Changes = Parameters<typeof recipe>[0];

/** The baseline, and Muon with a cosine decay with parts changed. */
export function search(scale: Scale): Arm[] {
  const start = bestRecipe(scale);
  const size = batchSize[scale];
  const changed = (name: string, about: string, changes: Changes): Arm => ({
    name,
    about,
    recipe: recipe(changes, start),
  });
  const phases = (from: number, to: number) => [
    { share: 0.5, size: from },
    { share: 0.5, size: to },
  ];
  const laplace = { curriculum: { name: 'laplace' } } as const;
  const average = { curriculum: { name: 'cltsTimeAverage' } } as const;
  const minSnr = { weighting: { name: 'minSnr' } } as const;
  const immiscible = { coupling: 'immiscible' } as const;
  return [
    { name: 'baseline', about: 'uniform, AdamW, constant lr', recipe: sized(scale, paperRecipes.baseline) },
    {
      name: 'adamw-cosine',
      about: 'uniform, AdamW, cosine lr',
      recipe: sized(scale, { optimizer: { decay: 'cosine' } }),
    },
    changed('muon', 'uniform, Muon, cosine lr', {}),
    changed('muon-lr-0.05', 'Muon at lr .05', { optimizer: { lr: 5e-2 } }),
    changed('muon-linear', 'Muon, lr linear to 10 %', { optimizer: { decay: { linearTo: 0.1 } } }),
    changed('muon-adam-1e-2', "Muon, Adam's part at lr .01", { optimizer: { adamLr: 1e-2 } }),
    changed('clts', 'Muon, CLTS', { curriculum: { name: 'clts' } }),
    changed('clts-average', "Muon, CLTS's mean density", average),
    changed('laplace', 'Muon, Laplace over logSNR', laplace),
    changed('logit-normal', 'Muon, logit-normal', { curriculum: { name: 'logitNormal' } }),
    changed('speed', 'Muon, SpeeD', { curriculum: { name: 'speed' } }),
    changed('min-snr', 'Muon, Min-SNR-5', minSnr),
    changed('immiscible', 'Muon, noise paired with images', immiscible),
    changed('ema-500', 'Muon, EMA half-life 500 images', { emaHalfLife: 500 }),
    changed('ema-8000', 'Muon, EMA half-life 8000 images', { emaHalfLife: 8000 }),
    changed('batch-half', 'Muon, half the batch', { batch: [{ share: 1, size: size / 2 }] }),
    changed('batch-growing', 'Muon, batch half as large, then twice', { batch: phases(size / 2, size * 2) }),
    changed('cosine-noise', 'Muon, cosine noise schedule', { schedule: 'cosine' }),
    changed('immiscible-average', "Muon, paired noise, CLTS's mean density", { ...immiscible, ...average }),
    changed('immiscible-min-snr', 'Muon, paired noise, Min-SNR-5', { ...immiscible, ...minSnr }),
  ];
}
