/** The arms of `best`: a good recipe with one change at a time, then combinations of the changes that helped. */
import {
  batchSize,
  paperRecipes,
  recipe,
  recipeAtScale,
  type Arm,
  type Scale,
  type TrainingRecipe,
} from '@dm/experiments';

type Changes = Parameters<typeof recipe>[0] & object;

/** A change of one part of the recipe. Only changes of different parts are combined. */
export interface Change {
  readonly part: 'optimizer' | 'sampler' | 'weights' | 'coupling' | 'prediction' | 'average' | 'batch' | 'noise';
  readonly name: string;
  readonly about: string;
  readonly changes: Changes;
}

/** The start of the search: Muon with a cosine decay, the best optimizer of the experiment `momentum`. */
function searchStart(scale: Scale): TrainingRecipe {
  return recipeAtScale(scale, { optimizer: { name: 'muon', decay: 'cosine', momentum: 0.95, lr: 3e-2, adamLr: 3e-3 } });
}

/** The baseline, and AdamW with a learning-rate decay, which a good recipe must also outperform. */
export function referenceArms(scale: Scale): readonly [Arm, Arm] {
  return [
    { name: 'baseline', about: 'uniform, AdamW, constant lr', recipe: recipeAtScale(scale, paperRecipes.baseline) },
    {
      name: 'adamw-cosine',
      about: 'uniform, AdamW, cosine lr',
      recipe: recipeAtScale(scale, { optimizer: { decay: 'cosine' } }),
    },
  ];
}

export function singleChanges(scale: Scale): readonly Change[] {
  const size = batchSize[scale];
  const phases = (from: number, to: number) => [
    { share: 0.5, size: from },
    { share: 0.5, size: to },
  ];
  const of =
    (part: Change['part']) =>
    (name: string, about: string, changes: Changes): Change => ({ part, name, about, changes });
  const [optimizer, sampler, weights] = [of('optimizer'), of('sampler'), of('weights')];
  return [
    optimizer('muon-lr-0.05', 'lr .05', { optimizer: { lr: 5e-2 } }),
    optimizer('muon-linear', 'lr linear to 10 %', { optimizer: { decay: { linearTo: 0.1 } } }),
    optimizer('muon-adam-1e-2', "Adam's part at lr .01", { optimizer: { adamLr: 1e-2 } }),
    sampler('clts', 'CLTS', { curriculum: { name: 'clts' } }),
    sampler('clts-average', "CLTS's mean density", { curriculum: { name: 'cltsTimeAverage' } }),
    sampler('laplace', 'Laplace over logSNR', { curriculum: { name: 'laplace' } }),
    sampler('logit-normal', 'logit-normal', { curriculum: { name: 'logitNormal' } }),
    sampler('speed', 'SpeeD', { curriculum: { name: 'speed' } }),
    weights('min-snr', 'Min-SNR-5', { weighting: { name: 'minSnr' } }),
    weights('soft-min-snr', 'soft Min-SNR', { weighting: { name: 'softMinSnr' } }),
    weights('p2', 'P2, gamma .5', { weighting: { name: 'p2', gamma: 0.5 } }),
    weights('p2-1', 'P2, gamma 1', { weighting: { name: 'p2', gamma: 1 } }),
    of('coupling')('immiscible', 'noise paired with images', { coupling: 'immiscible' }),
    of('prediction')('v', 'v-prediction', { prediction: 'v' }),
    of('prediction')('x0', 'x0-prediction', { prediction: 'x0' }),
    of('average')('ema-0.01', 'EMA half-life at most 1 % of the images seen', { emaRampUp: 0.01 }),
    of('average')('ema-0.2', 'EMA half-life at most 20 % of the images seen', { emaRampUp: 0.2 }),
    of('batch')('batch-half', 'half the batch', { batch: [{ share: 1, size: size / 2 }] }),
    of('batch')('batch-growing', 'batch half as large, then twice', { batch: phases(size / 2, size * 2) }),
    of('noise')('cosine-noise', 'cosine noise schedule', { schedule: 'cosine' }),
  ];
}

/** The start of the search with changes; later changes override earlier ones. */
export function withChanges(scale: Scale, name: string, parts: readonly Change[]): Arm {
  const changes = parts.reduce<Changes>(
    (all, { changes: more }) => ({ ...all, ...more, optimizer: { ...all.optimizer, ...more.optimizer } }),
    {},
  );
  return {
    name,
    about: ['Muon', ...parts.map(({ about }) => about)].join(', '),
    recipe: recipe(changes, searchStart(scale)),
  };
}

/** The start of the search, and the start with each single change. */
export function singleChangeArms(scale: Scale): readonly Arm[] {
  return [
    withChanges(scale, 'muon', []),
    ...singleChanges(scale).map((change) => withChanges(scale, change.name, [change])),
  ];
}

/** All pairs of changes, and all changes together, named by their parts. */
export function combinationArms(scale: Scale, changes: readonly Change[]): Arm[] {
  const pairs = changes.flatMap((a, i) => changes.slice(i + 1).map((b) => [a, b]));
  const sets = changes.length > 2 ? [...pairs, changes] : pairs;
  return sets.map((parts) => withChanges(scale, parts.map(({ name }) => name).join('+'), parts));
}
