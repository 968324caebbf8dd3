/** The loss of single images, to find bad data. */
import { normalBatch, type NoiseLevel } from '@dm/core';
import { readValues, type Dataset } from '@dm/data';
import { logSnrBuckets } from '@dm/eval';
import type { Engine } from '@dm/ops';
import {
  readSelectedCheckpoint,
  samplingConfig,
  type GenerateSamplesOptions,
} from '../../sampling/generate-samples.js';
import { readWeights } from '../../checkpoint/pack-state.js';
import { weightsFile } from '../../setup/averages.js';
import type { Denoiser } from '../../setup/denoiser.js';
import { engineOptions, openEngine } from '../../setup/engine.js';
import { openDenoiser } from '../../setup/open-denoiser.js';
import { openData } from '../../setup/open-training-setup.js';
import type { Split } from '@dm/data';
import type { Images } from '../../files/images.js';
import { bucketLevels } from './noise-levels.js';
import { createLossMeter, mostRows } from './loss-meter.js';
import { checkShape } from './validation-loss.js';

export interface ImageLossesOptions extends Pick<
  GenerateSamplesOptions,
  'run' | 'checkpoint' | 'best' | 'weights' | 'engine' | 'device' | 'threads' | 'onNote' | 'onPhase'
> {
  /** Data set to measure, prepared as the run's images. */
  readonly data: string;
  /** Default: train. */
  readonly split?: Split;
  readonly skipBad?: boolean;
  /** Draws of noise per noise range. Default: 1. */
  readonly draws?: number;
  /** Number of images to return. Default: 50. */
  readonly worst?: number;
  readonly onProgress?: (name: string, done: number, of: number) => void;
}

export interface ImageLoss {
  readonly index: number;
  /** Path of its file, if it has one. */
  readonly name?: string;
  readonly label?: number;
  /** Its loss divided by the mean loss of all images in a noise range, averaged over the ranges. */
  readonly relativeLoss: number;
}

export interface ImageLosses {
  readonly checkpoint: string;
  readonly data: string;
  readonly images: number;
  /** The images with the largest losses, largest first, and their pixels. */
  readonly worst: readonly ImageLoss[];
  readonly pixels: Images;
}

/**
 * Measures every image of a data set with the same noise at the same noise levels, and returns the images with the
 * largest losses. The validation loss has the same noise ranges; all count the same.
 *
 * @throws {UserError} if the data does not fit the model
 */
export async function imageLosses(options: ImageLossesOptions): Promise<ImageLosses> {
  const { data, split = 'train', skipBad, draws = 1, worst = 50, onPhase, onProgress } = options;
  const checkpoint = readSelectedCheckpoint(options);
  const config = samplingConfig(checkpoint, options);
  const denoiser = openDenoiser(config);
  const file = weightsFile(config, options.weights);
  const isSkipping = skipBad ?? config.skipBad;
  const dataset = await openData({ ...config, data, holdOut: null, skipBad: isSkipping }, split);
  checkShape(denoiser, dataset);
  const weights = readWeights(denoiser, checkpoint, file);
  const engine = await openEngine(config.engine, { ...engineOptions(config), onPhase });
  try {
    const losses = await lossesOf(denoiser, engine, weights, dataset, draws, (done) =>
      onProgress?.('images', done, dataset.length),
    );
    const relative = relativeLosses(losses);
    const order = Array.from(relative.keys()).toSorted((a, b) => relative[b]! - relative[a]!);
    const indices = order.slice(0, worst);
    const { images, labels } = await readValues(dataset, indices);
    return {
      checkpoint: checkpoint.path,
      data: dataset.name,
      images: dataset.length,
      worst: indices.map((index, i) => ({
        index,
        ...(dataset.nameOf && { name: dataset.nameOf(index) }),
        ...(labels && { label: labels[i]! }),
        relativeLoss: relative[index]!,
      })),
      pixels: {
        images,
        shape: [indices.length, ...dataset.shape],
        ...(dataset.floats && { latents: { layout: 'NCHW' } }),
      },
    };
  } finally {
    await engine.dispose();
  }
}

/** The loss of each image in each noise range that the noise schedule reaches: [ranges][images]. */
async function lossesOf(
  denoiser: Denoiser,
  engine: Engine,
  weights: ReturnType<typeof readWeights>,
  dataset: Dataset,
  draws: number,
  onProgress: (done: number) => void,
): Promise<Float64Array[]> {
  const rows = Math.min(mostRows, dataset.length);
  const meter = createLossMeter(denoiser, engine, 'params', rows);
  const levels = logSnrBuckets().flatMap((bucket, index): (readonly NoiseLevel[])[] => {
    const ofBucket = bucketLevels(denoiser, bucket, draws, { seed: 0, index });
    return ofBucket === undefined ? [] : [ofBucket];
  });
  const sums = levels.map(() => new Float64Array(dataset.length));
  const noise = Array.from({ length: draws }, (_, draw) => {
    const indices = Array.from({ length: rows }, () => draw);
    return normalBatch({ seed: 0, stream: 'evaluation', lane: 3, indices }, dataset.shape).data;
  });
  const state = await meter.load(weights);
  try {
    for (let first = 0; first < dataset.length; first += rows) {
      const count = Math.min(rows, dataset.length - first);
      const batch = await readValues(
        dataset,
        Array.from({ length: count }, (_, i) => first + i),
      );
      const images = { images: batch.images, labels: batch.labels };
      const size = images.images.length / count;
      for (const [bucket, ofBucket] of levels.entries()) {
        for (const [draw, level] of ofBucket.entries()) {
          const same = Array.from({ length: count }, () => level);
          const found = await meter.losses(state, images, noise[draw]!.subarray(0, count * size), same);
          found.forEach((loss, i) => (sums[bucket]![first + i]! += loss));
        }
      }
      onProgress(first + count);
    }
  } finally {
    state.dispose();
    await meter.dispose();
  }
  return sums;
}

function relativeLosses(losses: readonly Float64Array[]): Float64Array {
  const relative = new Float64Array(losses[0]!.length);
  for (const ofRange of losses) {
    const mean = ofRange.reduce((sum, loss) => sum + loss, 0) / ofRange.length;
    for (let i = 0; i < relative.length; i++) relative[i]! += ofRange[i]! / mean / losses.length;
  }
  return relative;
}
