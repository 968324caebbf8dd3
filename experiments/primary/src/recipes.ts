/** What is compared: the recipes of PREREG.md, as configurations of @dm/trainer. */
import type { PartialConfig } from '@dm/trainer';

/** The prediction types, compared separately. */
export type Prediction = 'epsilon' | 'v';

/** A family has one learning rate per prediction type, tuned for all its recipes. */
export type Family = 'constant' | 'decayed' | 'scheduleFree';

export interface Recipe {
  readonly name: string;
  readonly about: string;
  readonly family: Family;
  /** Default: AdamW. */
  readonly optimizerType?: 'scheduleFreeAdamW';
  /** Default: linear. */
  readonly noiseSchedule?: 'cosine';
  /** Curriculum and schedules of the optimizer. */
  readonly curriculum: PartialConfig['curriculum'];
  readonly optimizer: {
    readonly lrSchedule: { readonly type: 'constant' } | { readonly type: 'linear'; readonly finalRatio: number };
    readonly momentumDecay: null | {
      readonly type: 'demon' | 'linear';
      readonly compensate: boolean;
      readonly finalBeta?: number;
    };
  };
}

const constant = { lrSchedule: { type: 'constant' }, momentumDecay: null } as const;
const linearTo = (finalRatio: number) => ({ lrSchedule: { type: 'linear', finalRatio }, momentumDecay: null }) as const;
const mdlrc = { lrSchedule: { type: 'constant' }, momentumDecay: { type: 'demon', compensate: true } } as const;

const uniform = { type: 'uniform' } as const;
/** The reading of CLTS nearest to public code: a wide Gaussian that replaces the uniform density at 75% of the run. */
const clts = {
  type: 'clts',
  coordinate: 'time',
  mu: 0.3,
  sigma: 0.5,
  lambdaMax: 1,
  rampShare: 0.75,
} as const;
const cltsAverage = { ...clts, type: 'cltsTimeAverage' } as const;
const cltsNarrow = { ...clts, sigma: 0.2, lambdaMax: 0.8, rampShare: 1 } as const;

const recipe = (
  name: string,
  about: string,
  family: Family,
  curriculum: Recipe['curriculum'],
  optimizer: Recipe['optimizer'],
  more: Pick<Recipe, 'optimizerType' | 'noiseSchedule'> = {},
): Recipe => ({ name, about, family, curriculum, optimizer, ...more });

/** The baseline, trained four times as long as the recipes. */
export const baseline = recipe('uniform', 'uniform timesteps, constant learning rate', 'constant', uniform, constant);

/** CLTS and MDLRC together: the paper's method, and the subject of the primary tests. */
export const method = recipe('clts-mdlrc', 'CLTS, momentum decay with compensation', 'decayed', clts, mdlrc);

/** The decay without the paper's ideas. */
export const linearDecay = recipe(
  'linear',
  'uniform timesteps, linear decay to 10%',
  'decayed',
  uniform,
  linearTo(0.1),
);

/** Optimizer, timesteps, and noise schedule of the winner of the experiment `recipe-search`, which predicts v. */
export const fastest = recipe(
  'schedule-free',
  'schedule-free AdamW, SpeeD, cosine noise schedule',
  'scheduleFree',
  { type: 'speed' },
  constant,
  { optimizerType: 'scheduleFreeAdamW', noiseSchedule: 'cosine' },
);

/** Recipes of each prediction type, in the order of the tables. */
export type Recipes = Readonly<Partial<Record<Prediction, readonly Recipe[]>>>;

export const finalRecipes = {
  epsilon: [
    linearDecay,
    recipe('mdlrc', 'uniform timesteps, momentum decay with compensation', 'decayed', uniform, mdlrc),
    recipe('clts', 'CLTS, constant learning rate', 'constant', clts, constant),
    recipe('clts-linear', 'CLTS, linear decay to 10%', 'decayed', clts, linearTo(0.1)),
    method,
    recipe(
      'clts-average-linear',
      "CLTS's time-averaged density, linear decay to 10%",
      'decayed',
      cltsAverage,
      linearTo(0.1),
    ),
  ],
  v: [linearDecay, method],
} as const satisfies Recipes;

/** On a graphics card, at 32x32. */
export const cardRecipes: Recipes = { epsilon: [linearDecay, method, fastest] };

/** Variants with epsilon-prediction, with two seeds. */
export const secondaryRecipes: readonly Recipe[] = [
  recipe('clts-narrow-mdlrc', 'CLTS with sigma 0.2 up to 80%, MDLRC', 'decayed', cltsNarrow, mdlrc),
  recipe('momentum-to-half', 'uniform timesteps, beta1 linearly to 0.5 with compensation', 'decayed', uniform, {
    lrSchedule: { type: 'constant' },
    momentumDecay: { type: 'linear', compensate: true, finalBeta: 0.5 },
  }),
  recipe('linear-to-zero', 'uniform timesteps, linear decay to 0', 'decayed', uniform, linearTo(0)),
  recipe('demon-constant', 'uniform timesteps, momentum decay without compensation', 'constant', uniform, {
    lrSchedule: { type: 'constant' },
    momentumDecay: { type: 'demon', compensate: false },
  }),
];
