/** The trials in the order in which they are run, and their configurations. */
import { resolveConfig, type Config, type PartialConfig } from '@dm/trainer';
import { CHANNELS, holdOut } from './data.js';
import { baseline, fastest, linearDecay, type Family, type Prediction, type Recipe } from './recipes.js';
import type { Size } from './sizes.js';

export type Stage = 'tuning' | 'finals' | 'secondary';

export interface Trial {
  readonly stage: Stage;
  readonly prediction: Prediction;
  readonly recipe: Recipe;
  readonly lr: number;
  readonly seed: number;
  /** Steps of the whole run, which its schedules are scaled to. */
  readonly steps: number;
  /** Steps after which the averages are measured, ascending; the last one is `steps`. */
  readonly measureAt: readonly number[];
}

/** Learning rates of the first round of tuning. */
const learningRates = [5e-4, 1e-3, 2e-3, 4e-3] as const;

/** Seeds of tuning, of the confirmation of tuned rates, and of the finals: no final uses another's. */
const tuningSeed = 1;
const confirmationSeeds = [1, 2] as const;
const finalSeeds = [101, 102, 103, 104] as const;
/** Seeds of the finals that are added if the intervals are too wide. */
export const additionalSeeds = [105, 106] as const;
const secondarySeeds = [101, 102] as const;

/** Tuned learning rates, of the families that a size has. */
export type Rates = Readonly<Partial<Record<Prediction, Readonly<Partial<Record<Family, number>>>>>>;

export const predictionsOf = ({ recipes }: Size): Prediction[] => Object.keys(recipes) as Prediction[];

/** The families of a prediction type's recipes, the baseline's first. */
function familiesOf({ recipes }: Size, prediction: Prediction): Family[] {
  return [...new Set([baseline, ...recipes[prediction]!].map(({ family }) => family))].toSorted();
}

/** The recipe that a family is tuned with: none of the paper's ideas, so that no choice favors them. */
const tunedWith: Readonly<Record<Family, Recipe>> = {
  constant: baseline,
  decayed: linearDecay,
  scheduleFree: fastest,
};

/** Unique among all trials, and the name of its files. */
export function trialName({ stage, prediction, recipe, lr, seed, steps }: Trial): string {
  const rate = stage === 'tuning' ? `.lr-${lr}` : '';
  return `${stage}/${prediction}.${recipe.name}${rate}.steps-${steps}.seed-${seed}`;
}

/** The images that a trial is measured on. */
export const measuredOn = ({ stage }: Trial) => (stage === 'tuning' ? 'validation' : 'test');

/** First round of tuning: all learning rates at N / 4. */
export function firstTuning(size: Size): Trial[] {
  const steps = size.steps / 4;
  return tuning(size, steps, () => learningRates);
}

/**
 * Second round at N / 2: the best two rates of the first round, and their neighbors by half an octave. `scores` are E1 by
 * the trial's name.
 */
export function secondTuning(size: Size, scores: ReadonlyMap<string, number>): Trial[] {
  return tuning(
    size,
    size.steps / 2,
    (first) => {
      const [a, b] = first.toSorted((x, y) => scores.get(trialName(x))! - scores.get(trialName(y))!);
      const best = [a!.lr, b!.lr].toSorted((x, y) => x - y);
      return [best[0]! / Math.SQRT2, best[0]!, best[0]! * Math.SQRT2, best[1]!, best[1]! * Math.SQRT2]
        .map(toThreeDigits)
        .filter((rate, i, all) => all.indexOf(rate) === i);
    },
    firstTuning(size),
  );
}

/**
 * A further round at N / 2: the next half octave beyond the best rate of a family, if that is the lowest or the highest
 * of those tried. Empty if all best rates lie between others. `tried` are the trials at N / 2 so far.
 */
export function furtherTuning(size: Size, tried: readonly Trial[], scores: ReadonlyMap<string, number>): Trial[] {
  return tuning(
    size,
    size.steps / 2,
    (same) => {
      const best = bestOf(same, scores).lr;
      const rates = same.map(({ lr }) => lr);
      return [
        ...(best === Math.min(...rates) ? [best / Math.SQRT2] : []),
        ...(best === Math.max(...rates) ? [best * Math.SQRT2] : []),
      ].map(toThreeDigits);
    },
    tried,
  );
}

const toThreeDigits = (rate: number) => Number(rate.toPrecision(3));

function bestOf(trials: readonly Trial[], scores: ReadonlyMap<string, number>): Trial {
  return trials.toSorted((a, b) => scores.get(trialName(a))! - scores.get(trialName(b))!)[0]!;
}

function tuning(
  size: Size,
  steps: number,
  ratesOf: (same: readonly Trial[]) => readonly number[],
  before: readonly Trial[] = [],
) {
  return predictionsOf(size).flatMap((prediction) =>
    familiesOf(size, prediction).flatMap((family) => {
      const recipe = tunedWith[family];
      const same = before.filter((trial) => trial.prediction === prediction && trial.recipe === recipe);
      return ratesOf(same).map((lr): Trial => ({
        stage: 'tuning',
        prediction,
        recipe,
        lr,
        seed: tuningSeed,
        steps,
        measureAt: [steps],
      }));
    }),
  );
}

/** A run with a learning rate, and how it ended. */
export interface Run {
  readonly stage: Stage;
  readonly prediction: string;
  /** Name of the recipe. */
  readonly recipe: string;
  readonly lr: number;
  readonly steps: number;
  /** Infinity of a run that diverged. */
  readonly e1: number;
}

/** A run failed if its E1 is above the lowest of tuning at N / 2 by this factor. */
const failure = 1.2;

/**
 * The rate of each prediction type and family: the one with the lowest E1 in tuning at N / 2, of those at least an octave
 * below every rate at which a run of N / 2 or more failed. `runs`: all of tuning, and finals that were interrupted, of
 * which it only matters whether they failed.
 *
 * @throws {Error} if no rate at N / 2 is that low
 */
export function tunedRates(size: Size, runs: readonly Run[]): Rates {
  return mapFamilies(size, (prediction, family) => {
    const { tuned, failed } = familyRuns(size, runs, prediction, family);
    const lowest = Math.min(...failed.map(({ lr }) => lr));
    const [best] = tuned.filter(({ lr }) => toThreeDigits(2 * lr) <= lowest).toSorted((a, b) => a.e1 - b.e1);
    if (best === undefined) {
      throw new Error(`${prediction}, ${family}: a run with ${lowest} failed, and no rate an octave lower was tried.`);
    }
    return best.lr;
  });
}

/** The runs of a family in tuning at N / 2, and all its runs of N / 2 or more that failed. */
function familyRuns(size: Size, runs: readonly Run[], prediction: Prediction, family: Family) {
  const same = runs.filter((run) => run.prediction === prediction && run.recipe === tunedWith[family].name);
  const tuned = same.filter(({ stage, steps }) => stage === 'tuning' && steps === size.steps / 2);
  const most = failure * Math.min(...tuned.map(({ e1 }) => e1));
  return { tuned, failed: same.filter(({ steps, e1 }) => steps >= size.steps / 2 && e1 > most) };
}

function mapFamilies(size: Size, rate: (prediction: Prediction, family: Family) => number): Rates {
  const of = (prediction: Prediction) =>
    Object.fromEntries(familiesOf(size, prediction).map((family) => [family, rate(prediction, family)]));
  return Object.fromEntries(predictionsOf(size).map((prediction) => [prediction, of(prediction)]));
}

/** Trials of N steps with the tuned rates of families of which a rate failed: a rate may fail later than at N / 2. */
export function confirmations(size: Size, runs: readonly Run[]): Trial[] {
  const rates = tunedRates(size, runs);
  return predictionsOf(size).flatMap((prediction) =>
    familiesOf(size, prediction)
      .filter((family) => familyRuns(size, runs, prediction, family).failed.length > 0)
      .flatMap((family) =>
        confirmationSeeds.map((seed) => trialOf('tuning', prediction, tunedWith[family], rates, seed, size.steps)),
      ),
  );
}

/** The finals: whole blocks of a seed, the baseline first. */
export function finals(size: Size, rates: Rates, seeds: readonly number[] = finalSeeds): Trial[] {
  return seeds.flatMap((seed) =>
    predictionsOf(size).flatMap((prediction) => [
      baselineTrial(size, prediction, rates, seed),
      ...size.recipes[prediction]!.flatMap((recipe) =>
        [size.steps / 2, size.steps].map((steps) => trialOf('finals', prediction, recipe, rates, seed, steps)),
      ),
    ]),
  );
}

/** Variants of the method, at N. */
export function secondary(size: Size, rates: Rates): Trial[] {
  return secondarySeeds.flatMap((seed) =>
    size.secondary.map((recipe) => trialOf('secondary', 'epsilon', recipe, rates, seed, size.steps)),
  );
}

function baselineTrial(size: Size, prediction: Prediction, rates: Rates, seed: number): Trial {
  const steps = 4 * size.steps;
  const measureAt = [steps / 8, steps / 4, steps / 2, steps];
  return { ...trialOf('finals', prediction, baseline, rates, seed, steps), measureAt };
}

function trialOf(
  stage: Stage,
  prediction: Prediction,
  recipe: Recipe,
  rates: Rates,
  seed: number,
  steps: number,
): Trial {
  return { stage, prediction, recipe, lr: rates[prediction]![recipe.family]!, seed, steps, measureAt: [steps] };
}

/** Averages besides `ema`, whose half-life is 5% of the images seen at every step. */
export const extraAverages = { 'half-1': 0.01, 'half-20': 0.2 } as const;

/** Half-life of the average `ema`, as a share of the images seen. */
export const emaShare = 0.05;
export const maxGradNorm = 1;

/** The UNet of a size, for its images. */
export function unetOf({ unet, side }: Size): object {
  return { ...unet, sample_size: side, in_channels: CHANNELS, out_channels: CHANNELS };
}

/** The complete configuration of a trial, whose data need not be opened. */
export function resolvedConfigOf(trial: Trial, size: Size, data: string, out: string): Config {
  const value = { ...configOf(trial, size, data, out), model: { type: 'unet', ...unetOf(size) } as const };
  return resolveConfig([{ source: 'the plan', value }]);
}

/** The configuration of a trial, for the training images in the shard `data`. */
export function configOf(trial: Trial, size: Size, data: string, out: string): PartialConfig {
  const { prediction, recipe, lr, seed, steps, measureAt } = trial;
  // A half-life that is always limited by the ramp-up.
  const average = (rampUp: number) => ({ type: 'halfLife', images: 1e12, rampUp }) as const;
  return {
    preset: 'cifar10',
    data: `shard:${data}`,
    holdOut,
    flip: true,
    conditional: false,
    model: { type: 'unet', ...size.unet },
    diffusion: {
      schedule: { type: recipe.noiseSchedule ?? 'linear' },
      timesteps: 1000,
      prediction: { type: prediction },
    },
    curriculum: recipe.curriculum,
    timestepDraws: 'stratified',
    lossWeighting: { type: 'constant' },
    optimizer: {
      type: recipe.optimizerType ?? 'adamW',
      lr,
      betas: [0.9, 0.999],
      weightDecay: 0,
      warmup: size.warmup,
      maxGradNorm,
      ...recipe.optimizer,
    },
    ema: average(emaShare),
    extraEmas: Object.fromEntries(Object.entries(extraAverages).map(([name, share]) => [name, average(share)])),
    batchSize: size.batchSize,
    totalSteps: steps,
    maxSkippedSteps: 1,
    seed,
    sampleEvery: 0,
    samples: 16,
    sampler: { type: 'ddim', steps: size.samplerSteps },
    evaluation: { every: 0 },
    validation: { every: 0 },
    tensorboard: false,
    logEvery: Math.max(1, Math.round(size.steps / 80)),
    checkpoints: { every: measureAt[0], minutes: 10, overlap: 1, keepLast: 1000 },
    out,
  };
}
