/** Losses that a validation loss is compared with: the Wiener filter's, and the posterior mean's. */
import { readValues, type Dataset } from '@dm/data';
import { createStatisticsAccumulator, geometricMean, posteriorMeanLosses, wienerLoss, type ImageRows } from '@dm/eval';
import type { Engine } from '@dm/ops';
import { logSnrOf } from './noise-levels.js';
import type { ValidationLoss, ValidationSet } from './validator.js';

export interface Bounds {
  /** The optimal linear denoiser, fitted to the training images, on the validation images. */
  readonly wiener: ValidationLoss;
  /** The optimal denoiser of the training images themselves, on validation images. */
  readonly posteriorMean: ValidationLoss;
}

/** Largest number of values per image for bounds during training: the Wiener filter takes time in proportion to its cube. */
export const mostValuesInTraining = 1024;

/** Most validation images for the posterior mean, which compares each with every training image. */
const mostQueries = 256;

/** Training images per read. */
const blockSize = 1024;

/**
 * Computes both bounds, reading the training images once. `onProgress` is called with the images read so far.
 */
export async function computeBounds(
  train: Dataset,
  set: ValidationSet,
  engine: Engine,
  onProgress?: (done: number, of: number) => void,
): Promise<Bounds> {
  const { images, setting } = set;
  const dimension = images.length / setting.images;
  const statistics = createStatisticsAccumulator(dimension);
  async function* blocks(): AsyncGenerator<ImageRows> {
    for (let start = 0; start < train.length; start += blockSize) {
      const count = Math.min(blockSize, train.length - start);
      const { images: values } = await readValues(
        train,
        Array.from({ length: count }, (_, i) => start + i),
      );
      statistics.add({ values, dimension });
      yield { values, dimension };
      onProgress?.(start + count, train.length);
    }
  }
  const posteriorMean = await posteriorMeanBound(blocks(), set, engine);
  const loss = wienerLoss(statistics.finish(), { values: images, dimension });
  return { wiener: perBucket(set, (levels) => mean(levels.map((level) => loss(logSnrOf(level))))), posteriorMean };
}

async function posteriorMeanBound(
  blocks: AsyncIterable<ImageRows>,
  set: ValidationSet,
  engine: Engine,
): Promise<ValidationLoss> {
  const { images, setting } = set;
  const dimension = images.length / setting.images;
  const count = Math.min(mostQueries, setting.images);
  const reached = set.levels.filter((levels) => levels !== undefined);
  const repeated = new Float32Array(reached.length * count * dimension);
  const noise = new Float32Array(repeated.length);
  const ofDraw = set.noise(0, count, 0);
  for (let k = 0; k < reached.length; k++) {
    repeated.set(images.subarray(0, count * dimension), k * count * dimension);
    noise.set(ofDraw, k * count * dimension);
  }
  const losses = await posteriorMeanLosses({
    blocks,
    images: { values: repeated, dimension },
    noise,
    logSnrs: reached.flatMap((levels) => levels.slice(0, count).map(logSnrOf)),
    engine,
  });
  let k = 0;
  return perBucket(set, () => mean(losses.subarray(k * count, ++k * count)));
}

function perBucket(set: ValidationSet, loss: (levels: NonNullable<ValidationSet['levels'][number]>) => number) {
  const buckets = set.levels.map((levels) => (levels === undefined ? null : loss(levels)));
  return { geometricMean: geometricMean(buckets.filter((value) => value !== null)), buckets };
}

function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum / values.length;
}
