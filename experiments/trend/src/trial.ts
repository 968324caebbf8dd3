/** The trials: learning rates tuned at each length and width, then complete runs with fresh seeds. */
import {
  bestRate,
  finalLoss,
  finalSize,
  firstFailure,
  parabolaMinimum,
  publicClts,
  recipe,
  truncateForSmoke,
  type Arm,
  type BestRate,
  type CurveResult,
  type CurveTrial,
  type Scale,
  type StageResults,
  type TrainingRecipe,
} from '@dm/experiments';

/** A family has one learning rate per length and width, tuned for all its recipes. */
export type Family = 'constant' | 'linear' | 'mdlrc';

const optimizers = {
  constant: {},
  linear: { decay: { linearTo: 0.1 } },
  mdlrc: { demon: true, compensate: true },
} as const satisfies Record<Family, object>;

export interface TrendRecipe {
  readonly name: string;
  readonly about: string;
  readonly family: Family;
  readonly curriculum?: TrainingRecipe['curriculum'];
}

/** The baseline, trained four times as long as the others. */
export const baseline: TrendRecipe = {
  name: 'constant',
  about: 'uniform timesteps, constant learning rate',
  family: 'constant',
};

export const recipes: readonly TrendRecipe[] = [
  { name: 'linear', about: 'uniform timesteps, linear decay to 10%', family: 'linear' },
  { name: 'mdlrc', about: 'uniform timesteps, momentum decay with compensation', family: 'mdlrc' },
  {
    name: 'clts-mdlrc',
    about: 'CLTS, momentum decay with compensation',
    family: 'mdlrc',
    curriculum: publicClts,
  },
];

/** A length of the training and a width of the model. */
export interface Point {
  /** Optimizer steps of the recipes. */
  readonly steps: number;
  /** A multiple of the channels of the laptop size. */
  readonly width: number;
}

export const axes = ['steps', 'width'] as const;
export type Axis = (typeof axes)[number];

const MIDDLE = 3200;

/** The points of each axis, ascending. The axes share the point at width 1. */
const points: Readonly<Record<Scale, Readonly<Record<Axis, readonly Point[]>>>> = {
  smoke: { steps: [8, 16].map((steps) => ({ steps, width: 1 })), width: [{ steps: 8, width: 1 }] },
  laptop: {
    steps: [800, MIDDLE, 12_800].map((steps) => ({ steps, width: 1 })),
    width: [0.5, 1, 2].map((width) => ({ steps: MIDDLE, width })),
  },
  full: {
    steps: [MIDDLE, 12_800, 51_200].map((steps) => ({ steps, width: 1 })),
    width: [0.5, 1, 2].map((width) => ({ steps: 12_800, width })),
  },
};

export const pointsOf = (scale: Scale, axis: Axis): readonly Point[] => points[scale][axis];

/** The points of both axes, the shortest and narrowest first. */
export function allPoints(scale: Scale): Point[] {
  const both = axes.flatMap((axis) => pointsOf(scale, axis));
  return both
    .filter(({ steps, width }, i) => both.findIndex((one) => one.steps === steps && one.width === width) === i)
    .toSorted((a, b) => a.steps * a.width ** 2 - b.steps * b.width ** 2);
}

const batchSizes: Readonly<Record<Scale, number>> = { smoke: 16, laptop: 32, full: 128 };
/** Octaves; more are added if the best one is at an edge. */
const learningRates = [2e-3, 4e-3, 8e-3, 1.6e-2];
/** Seed of the tuning, different from the seeds of the finals. */
const TUNING_SEED = 10;
const finalSeeds: Readonly<Record<Scale, readonly number[]>> = {
  smoke: [0, 1],
  laptop: [0, 1, 2, 3],
  full: [0, 1, 2, 3],
};
export const seedsOf = (scale: Scale): readonly number[] => finalSeeds[scale];
/** Length of the baseline's runs as a multiple of the others'. */
export const BASELINE_LENGTH = 4;
/** Length of the runs that tune the baseline, as a multiple of the others': in the middle of its curve. */
export const BASELINE_TUNING = 2;
/** A curve begins at half the length of the recipes; these are its readings, in halves of that length. */
const curveHalves = [1, 1.5, 2, 3, 4, 6, 2 * BASELINE_LENGTH];

const pointName = ({ steps, width }: Point): string => `${steps}-width-${width}`;

/** Validation images, and images in the loss of tuning and of the finals. */
const measurements: Readonly<
  Record<Scale, { readonly holdOut: number; readonly tuning: number; readonly final: number }>
> = {
  smoke: { holdOut: 64, tuning: 16, final: 16 },
  laptop: { holdOut: 5000, tuning: 1024, final: 5000 },
  full: { holdOut: 5000, tuning: 5000, final: 5000 },
};
export const measurementsOf = (scale: Scale) => measurements[scale];
export const batchSizeOf = (scale: Scale): number => batchSizes[scale];

/** The UNet with this many times the channels, and the same number of them in each group of normalization. */
function unetOf(scale: Scale, width: number): CurveTrial['size']['unet'] {
  const { unet } = finalSize[scale];
  return {
    ...unet,
    block_out_channels: (unet['block_out_channels'] as readonly number[]).map((count) => count * width),
    norm_num_groups: (unet['norm_num_groups'] as number) * width,
  };
}

/** Steps in which the learning rate rises: 2% of the recipes', for the baseline too. */
export const warmupOf = ({ steps }: Point): number => Math.max(1, Math.round(steps / 50));

type Stage = 'rates' | 'edges' | 'confirm' | 'final';

function trial(
  stage: Stage,
  scale: Scale,
  point: Point,
  { name, about, family, curriculum }: TrendRecipe,
  lr: number,
  seed: number,
): CurveTrial {
  const batchSize = batchSizes[scale];
  const isFinal = stage === 'final';
  const isTuning = stage === 'rates' || stage === 'edges';
  const isBaseline = name === baseline.name;
  const images = point.steps * batchSize * (isBaseline ? (isTuning ? BASELINE_TUNING : BASELINE_LENGTH) : 1);
  const { holdOut, tuning, final } = measurements[scale];
  const arm: Arm = {
    name: `${name}-${pointName(point)}${isFinal ? '' : `-lr${lr}`}`,
    about: `${about}, ${point.steps} steps, width x${point.width}, lr ${lr}`,
    recipe: recipe({
      prediction: 'v',
      optimizer: { ...optimizers[family], lr, warmup: warmupOf(point) },
      batch: [{ share: 1, size: batchSize }],
      // So that `emaRampUp`, 5% of the images seen, determines the half-life at all times.
      emaHalfLife: images,
      draws: { timestepDraws: 'stratified' },
      ...(curriculum && { curriculum }),
    }),
  };
  return {
    stage,
    arm,
    size: {
      ...finalSize[scale],
      unet: unetOf(scale, point.width),
      images,
      holdOut,
      lossImages: isFinal ? final : tuning,
      split: isFinal ? 'test' : 'validation',
      readAt:
        isBaseline && !isTuning ? curveHalves.map((halves) => (images / (2 * BASELINE_LENGTH)) * halves) : [images],
      sampleAt: [],
      floorSets: 0,
    },
    seed,
  };
}

const tunedRecipes = [baseline, recipes[0]!, recipes[1]!];

/** Each family at each point with each learning rate, one seed. */
export function rateTrials(scale: Scale): CurveTrial[] {
  return allPoints(scale).flatMap((point) =>
    truncateForSmoke(learningRates, scale, 1).flatMap((lr) =>
      tunedRecipes.map((one) => trial('rates', scale, point, one, lr, TUNING_SEED)),
    ),
  );
}

/** Two more octaves beyond a best learning rate at the edge of the grid. */
export function edgeTrials(scale: Scale, rates: StageResults<CurveResult>): CurveTrial[] {
  return allPoints(scale).flatMap((point) =>
    tunedRecipes.flatMap((one) =>
      (tunedRate(rates, point, one.family)?.beyond ?? []).map((lr) =>
        trial('edges', scale, point, one, lr, TUNING_SEED),
      ),
    ),
  );
}

export interface TunedRate extends BestRate {
  /** Minimum of the parabola through log loss against log lr at `lr` and its two neighbors, to two digits. */
  readonly fitted: number;
}

/** Of a rate above the best one that counts as failed, as a multiple of the best loss. */
const failedRatio = 1.2;

/** The runs of a family at a point with given learning rates. */
const runsAt = (results: StageResults<CurveResult>, point: Point, family: Family): CurveResult[] =>
  [...results.values()].flat().filter(({ arm }) => arm.startsWith(`${family}-${pointName(point)}-lr`));

/** The best learning rate of a family at a point; undefined if none was tried. */
export function tunedRate(rates: StageResults<CurveResult>, point: Point, family: Family): TunedRate | undefined {
  const own = runsAt(rates, point, family);
  const best = bestRate(own);
  if (best === undefined) return undefined;
  const logLoss = (lr: number) => {
    const found = own.find(({ recipe: { optimizer } }) => Math.abs(Math.log2(optimizer.lr / lr)) < 0.1);
    const loss = found === undefined ? Infinity : finalLoss(found);
    return loss > failedRatio * best.loss ? Infinity : Math.log(loss);
  };
  // With a failed neighbor, the rate stays an octave below it.
  const octaves = parabolaMinimum(logLoss(best.lr / 2), logLoss(best.lr), logLoss(best.lr * 2));
  return { ...best, fitted: Number((best.lr * 2 ** octaves).toPrecision(2)) };
}

/** The baseline's learning rates in runs of its full length, on the seed and images of the tuning. */
export function confirmTrials(scale: Scale, rates: StageResults<CurveResult>): CurveTrial[] {
  return allPoints(scale).map((point) =>
    trial('confirm', scale, point, baseline, tunedRate(rates, point, baseline.family)!.fitted, TUNING_SEED),
  );
}

/** The learning rate of the finals: the tuned one; of the baseline half of it, if its full length failed with it. */
export function finalRate(
  rates: StageResults<CurveResult>,
  confirm: StageResults<CurveResult>,
  point: Point,
  family: Family,
): number {
  const { fitted, loss } = tunedRate(rates, point, family)!;
  // A run that dies early need not rise: its loss must be as low as the shorter run's.
  const hasFailed = runsAt(confirm, point, family).some(
    (run) => failedAt(run) !== undefined || finalLoss(run) > failedRatio * loss,
  );
  return hasFailed ? Number((fitted / 2).toPrecision(2)) : fitted;
}

/** The index of the reading from which on a run counts as failed; undefined if it did not fail. */
export function failedAt(run: CurveResult, wiener?: number): number | undefined {
  const at = firstFailure(
    run.readings.map(({ loss }) => loss),
    wiener,
  );
  if (at >= 0) return at;
  return finalLoss(run) === Infinity ? run.readings.length : undefined;
}

/** All recipes at all points with the tuned learning rates: whole seeds, one after the other. */
export function finalTrials(
  scale: Scale,
  rates: StageResults<CurveResult>,
  confirm: StageResults<CurveResult>,
): CurveTrial[] {
  return finalSeeds[scale].flatMap((seed) =>
    allPoints(scale).flatMap((point) =>
      [baseline, ...recipes].map((one) =>
        trial('final', scale, point, one, finalRate(rates, confirm, point, one.family), seed),
      ),
    ),
  );
}

export const finalName = (name: string, point: Point): string => `${name}-${pointName(point)}`;
