/** Computes the bounds of the validation loss. */
import { linearSchedule, normalBatch } from '@dm/core';
import { toFloat, type Dataset } from '@dm/data';
import { createStatisticsAccumulator, posteriorMeanLosses, wienerLoss } from '@dm/eval';
import type { Engine } from '@dm/ops';
import type { ValidationBounds } from '../report/bounds.js';
import { evenlySpacedIndices } from './data.js';
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
): Promise<ValidationBounds> {
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
  const queries = Math.min(QUERIES, heldOut.length);
  const at = Array.from({ length: queries }, (_, k) => Math.floor(((k + 0.5) * logSnrs.length) / queries));
  const posteriorMean = await posteriorMeanLosses({
    blocks: blocksOf(images),
    images: await rowsOf(heldOut, queries),
    noise: normalBatch(
      { seed: 0, stream: 'evaluation', step: 1, indices: Array.from({ length: queries }, (_, i) => i) },
      [dimension],
    ).data,
    logSnrs: at.map((t) => logSnrs[t]!),
    engine,
  });
  return {
    wiener: byQuarter(logSnrs.map(wiener), (i) => i),
    posteriorMean: byQuarter(posteriorMean, (i) => at[i]!),
  };
}

/** All images as one block. */
async function* blocksOf<T>(images: T): AsyncGenerator<T> {
  yield await Promise.resolve(images);
}

/** Means over all losses and over each quarter of the timesteps. */
function byQuarter(losses: ArrayLike<number>, timestepOf: (index: number) => number): Validation {
  const sums = new Float64Array(QUARTERS);
  const counts = new Float64Array(QUARTERS);
  for (let i = 0; i < losses.length; i++) {
    const quarter = Math.floor(timestepOf(i) / timestepsPerQuarter);
    sums[quarter]! += losses[i]!;
    counts[quarter]! += 1;
  }
  return {
    loss: sums.reduce((total, sum) => total + sum, 0) / losses.length,
    quarters: Array.from(sums, (sum, quarter) => sum / counts[quarter]!),
  };
}
