/** Creates the training setup of a trial: model, curriculum, optimizer, and the phases of the run. */
import { createTimestepSchedule, snrFromAlphasCumprod, lossWeights } from '@dm/curriculum';
import type { Dataset } from '@dm/data';
import { halfLifeEma, scheduleFreeAverage, type Optimizer } from '@dm/optim';
import {
  alone,
  batchSource,
  createDenoiser,
  modelTypes,
  objectives,
  resolveConfig,
  type Config,
  type TrainingSetup,
} from '@dm/trainer';
import type { BatchPhase, TrainingRecipe } from '../recipe/recipe.js';
import type { Trial } from '../recipe/trial.js';
import { createArmOptimizer } from './optimizer.js';

/** Part of a run, with its own batch size in `setup`. */
export interface Phase {
  readonly setup: TrainingSetup;
  /** Optimizer steps [first, end) of the run. */
  readonly first: number;
  readonly end: number;
}

/** Number of diffusion timesteps (T). */
const TIMESTEPS = 1000;

/**
 * Optimizer steps per phase: its fraction of the images / its batch size, at least 1.
 * @throws {RangeError} if the fractions do not add up to 1
 */
export function phaseSteps(images: number, batch: readonly BatchPhase[]): number[] {
  const shares = batch.reduce((sum, { share }) => sum + share, 0);
  if (Math.abs(shares - 1) > 1e-9) throw new RangeError(`The shares of the batch phases add up to ${shares}, not 1.`);
  return batch.map(({ share, size }) => Math.max(1, Math.round((images * share) / size)));
}

/** The phases of a trial. They share model, curriculum, and optimizer, whose schedules span the whole run. */
export function createPhases({ arm, size, seed }: Trial, dataset: Dataset): readonly Phase[] {
  const { schedule, curriculum, weighting, optimizer, batch, prediction = 'epsilon' } = arm.recipe;
  const model = arm.recipe.model ?? { type: 'unet', config: size.unet };
  const { name: lossWeighting, ...weightingOptions } = weighting;
  const steps = phaseSteps(size.images, batch);
  const totalSteps = steps.reduce((sum, n) => sum + n, 0);
  const denoiser = createDenoiser(
    resolveConfig([
      {
        source: `the arm ${arm.name}`,
        value: {
          seed,
          conditional: false,
          normalizeLossWeights: false,
          totalSteps,
          // Skipped steps would distort the comparison, so the first non-finite update ends the run.
          maxSkippedSteps: 1,
          diffusion: { schedule, timesteps: TIMESTEPS, prediction: { type: prediction } },
          lossWeighting: { type: lossWeighting, ...weightingOptions },
          ...arm.recipe.draws,
          ...(schedule === 'flow' && { sampler: objectives['flow']!.sampler }),
          model: { type: model.type, ...shapeFields(model.type, dataset), ...model.config },
        },
      },
    ]),
  );
  const { noiseSchedule, continuous } = denoiser;
  const { alphasCumprod } = noiseSchedule;
  const parts = {
    ...denoiser,
    batches: batchSource(dataset),
    curriculum: createTimestepSchedule(
      curriculum.name,
      { numTimesteps: TIMESTEPS, totalSteps, alphasCumprod, prediction, continuous: continuous?.levels },
      curriculum.params,
    ),
    lossWeights: lossWeights(weighting, { snr: snrFromAlphasCumprod(alphasCumprod), prediction }),
    ...createArmOptimizer(optimizer, denoiser.layout, totalSteps),
    group: alone,
  };
  let first = 0;
  return batch.map(({ size: batchSize }, i) => {
    const begin = first;
    first += steps[i]!;
    return {
      first: begin,
      end: first,
      setup: {
        ...parts,
        config: { ...denoiser.config, batchSize },
        averages: [averageOf(parts.optimizer, arm.recipe, batchSize)],
      },
    };
  });
}

/** The average `ema` that is used for sampling. Schedule-free training uses its own average x instead of an EMA. */
function averageOf(
  optimizer: Optimizer,
  { emaHalfLife, emaRampUp = 0.05 }: TrainingRecipe,
  batchSize: number,
): TrainingSetup['averages'][number] {
  const { decay, scalars, update } = halfLifeEma({ halfLifeImages: emaHalfLife, batchSize, rampUp: emaRampUp });
  if (optimizer.name !== 'scheduleFreeAdamW')
    return { name: 'ema', decay, scalars, update: (ema, params, _slots, inputs) => update(ema, params, inputs) };
  return {
    name: 'ema',
    decay: (step) => optimizer.scalars(step)['oneMinusShare']!,
    scalars: () => ({}),
    update: (_ema, params, slots) => scheduleFreeAverage(params, slots['ahead']!),
  };
}

/** Image size and channels as fields of the model's configuration, without classes. */
function shapeFields(type: Config['model']['type'], { shape: [height, width, channels] }: Dataset): object {
  return modelTypes[type].fromData({ height, width, channels, numClasses: 0, labelDropout: null });
}
