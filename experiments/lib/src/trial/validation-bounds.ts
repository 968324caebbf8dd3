/** The losses of denoisers in closed form, as bounds of the validation loss. */
import { linearSchedule, normalBatch } from '@dm/core';
import { toFloat, type Dataset } from '@dm/data';
import { createStatisticsAccumulator, posteriorMeanLosses, wienerLoss } from '@dm/eval';
import type { Engine } from '@dm/ops';
import { computeBounds, createValidationSet, type Bounds } from '@dm/trainer';
import { baseline } from '../recipe/recipe.js';
import { finalSize } from '../recipe/sizes.js';
import type { ValidationBounds } from '../report/bounds.js';
import { evenlySpacedIndices } from './data.js';
import { createPhases } from './setup.js';
import type { Validation } from './validation.js';

const QUARTERS = 4;
/** Timesteps in each quarter. */
const timestepsPerQuarter = 250;
/** Held-out images for the posterior mean, which compares each with every training image, at one timestep each. */
const QUERIES = 10_000;

/** Bounds with the linear noise schedule, fitted to `train`, on the images of `heldOut`. */
export async function computeValidationBounds(
  train: Dataset,
  heldOut: Dataset,
  engine: Engine,
): Promise<Omit<ValidationBounds, 'ranges'>> {
  const { wiener, posteriorMean } = await closedFormLosses(train, heldOut, engine, QUERIES);
  const ofQuarters = (losses: readonly LossAtTimestep[]): Validation => ({
    loss: meanLoss(losses),
    quarters: Array.from({ length: QUARTERS }, (_, quarter) =>
      meanLoss(losses.filter(({ timestep }) => Math.floor(timestep / timestepsPerQuarter) === quarter)),
    ),
  });
  return { wiener: ofQuarters(wiener), posteriorMean: ofQuarters(posteriorMean) };
}

/** Test images of the bounds in noise ranges. */
const rangeImages = 5000;

/** Bounds in ten ranges of equal width over log SNR -5 to 7, fitted to `train`, on the images of `heldOut`. */
export async function computeRangeBounds(
  train: Dataset,
  heldOut: Dataset,
  engine: Engine,
  images = Math.min(rangeImages, heldOut.length),
): Promise<Bounds> {
  // The levels follow from the noise schedule, whatever the recipe.
  const arm = { name: 'bounds', about: '', recipe: baseline };
  const { setup } = createPhases({ stage: 'bounds', arm, size: finalSize.laptop, seed: 0 }, train)[0]!;
  return computeBounds(train, await createValidationSet(setup, heldOut, { images, draws: 1 }), engine);
}

export interface LossAtTimestep {
  readonly timestep: number;
  /** Mean squared error of epsilon. */
  readonly loss: number;
}

/**
 * The losses of denoisers in closed form with the linear noise schedule, fitted to `train`, on the images of `heldOut`: of
 * the Wiener filter at each timestep, of the posterior mean for at most `queries` images, each at one of evenly spaced
 * timesteps.
 */
export async function closedFormLosses(
  train: Dataset,
  heldOut: Dataset,
  engine: Engine,
  queries: number,
): Promise<{ readonly wiener: readonly LossAtTimestep[]; readonly posteriorMean: readonly LossAtTimestep[] }> {
  const dimension = train.shape.reduce((product, side) => product * side, 1);
  const rowsOf = async (dataset: Dataset, count = dataset.length) => ({
    values: toFloat((await dataset.read(evenlySpacedIndices(count, dataset.length))).images),
    dimension,
  });
  const images = await rowsOf(train);
  const statistics = createStatisticsAccumulator(dimension);
  statistics.add(images);
  const logSnrs = Array.from(linearSchedule().alphasCumprod, (a) => Math.log(a / (1 - a)));

  const wiener = wienerLoss(statistics.finish(), await rowsOf(heldOut));
  const count = Math.min(queries, heldOut.length);
  const at = Array.from({ length: count }, (_, k) => Math.floor(((k + 0.5) * logSnrs.length) / count));
  const posteriorMean = await posteriorMeanLosses({
    blocks: blocksOf(images),
    images: await rowsOf(heldOut, count),
    noise: normalBatch(
      { seed: 0, stream: 'evaluation', step: 1, indices: Array.from({ length: count }, (_, i) => i) },
      [dimension],
    ).data,
    logSnrs: at.map((t) => logSnrs[t]!),
    engine,
  });
  return {
    wiener: logSnrs.map((logSnr, timestep) => ({ timestep, loss: wiener(logSnr) })),
    posteriorMean: at.map((timestep, i) => ({ timestep, loss: posteriorMean[i]! })),
  };
}

export function meanLoss(losses: readonly LossAtTimestep[]): number {
  return losses.reduce((sum, { loss }) => sum + loss, 0) / losses.length;
}

/** All images as one block. */
async function* blocksOf<T>(images: T): AsyncGenerator<T> {
  yield await Promise.resolve(images);
}
