/** The validation loss: on fixed held-out images, noise and noise levels, by noise bucket and as geometric mean. */
import { normalBatch, type NoiseLevel } from '@dm/core';
import { hasTestImages, readValues, type Dataset } from '@dm/data';
import { geometricMean, logSnrBuckets, selectIndices, type LogSnrBucket } from '@dm/eval';
import type { Arrays, Engine, StateHandle } from '@dm/ops';
import { unknownData } from '../../config/saved-config.js';
import type { Config } from '../../config/schema.js';
import { UserError } from '../../errors.js';
import type { Denoiser } from '../../setup/denoiser.js';
import { alone, stretchOf, type Group } from '../../setup/group.js';
import type { NoiseProcess } from '../../setup/noise-process.js';
import { openData } from '../../setup/open-training-setup.js';
import { imagesHash } from '../same-setting.js';
import { bucketLevels } from './noise-levels.js';
import { createLossMeter, mostRows, type MeterImages } from './loss-meter.js';

/** What was measured. Validation losses are comparable only if their settings are equal. */
export interface ValidationSetting {
  readonly buckets: readonly LogSnrBucket[];
  /** Name of the data set, and number of its images. */
  readonly data: string;
  readonly images: number;
  /** SHA-256 of these images and their classes; undefined in files of earlier versions. */
  readonly imagesSha256?: string;
  /** Draws of noise per image and bucket. */
  readonly draws: number;
}

export interface ValidationLoss {
  /** Geometric mean over the buckets that the noise schedule reaches. */
  readonly geometricMean: number;
  /** Mean squared error of epsilon in each bucket, from noisy to clean; null if the noise schedule has no timestep in it. */
  readonly buckets: readonly (number | null)[];
}

/** Fixed images, with their noise and noise levels. */
export interface ValidationSet {
  readonly setting: ValidationSetting;
  /** float32 [images, H, W, C], and the classes if there are any. */
  readonly images: Float32Array;
  readonly labels: Int32Array | undefined;
  /** Noise of draw `draw` for `count` images from `first` on. The same in all buckets. */
  noise(first: number, count: number, draw: number): Float32Array;
  /** Of each bucket, [draws x images]; undefined if the noise schedule has no timestep in it. */
  readonly levels: readonly (readonly NoiseLevel[] | undefined)[];
}

/** Seed of the choice of images, their noise and their levels, the same for all runs. */
const seed = 0;

/**
 * Opens the validation images of a configuration: those held out, or the test images of data that have them.
 *
 * @throws {UserError} `DATA_MISMATCH` if it has neither
 */
export async function openValidationData(config: Config): Promise<Dataset> {
  if (config.holdOut === null && config.data !== unknownData && !hasTestImages(config.data)) {
    throw new UserError(
      `${config.data} has no separate test images to measure the validation loss on. Hold out a share of its images when ` +
        'training: --hold-out 0.05 (holdOut). Or measure a run on other images: dm eval validation <run> --data <data>.',
      { code: 'DATA_MISMATCH' },
    );
  }
  return openData(config, 'test');
}

/** Chooses at most `images` images of `dataset`, at random but the same in every run. */
export async function createValidationSet(
  process: NoiseProcess,
  dataset: Dataset,
  { images: most, draws }: { readonly images: number; readonly draws: number },
): Promise<ValidationSet> {
  const count = Math.min(most, dataset.length);
  const batch = await readValues(dataset, selectIndices(dataset.name, dataset.length, { count, seed }));
  const buckets = logSnrBuckets();
  return {
    setting: {
      buckets,
      data: dataset.name,
      images: count,
      imagesSha256: imagesHash(batch.images, batch.labels),
      draws,
    },
    images: batch.images,
    labels: batch.labels,
    noise: (first, rows, draw) => {
      const indices = Array.from({ length: rows }, (_, i) => draw * count + first + i);
      return normalBatch({ seed, stream: 'evaluation', lane: 3, indices }, dataset.shape).data;
    },
    levels: buckets.map((bucket, index) => bucketLevels(process, bucket, count * draws, { seed, index })),
  };
}

export interface Validator {
  readonly set: ValidationSet;
  /** Loads weights that are not part of a training state, under the name given to `createValidator`. */
  load(weights: Arrays): Promise<StateHandle>;
  /** The loss of the weights in `state`, which is not changed. All ranks of the group must call it, and share the work. */
  measure(state: StateHandle): Promise<ValidationLoss>;
  dispose(): Promise<void>;
}

/** A validator of the weights in the entry `weights` of a state, such as `ema`; `rows` are the images per model call. */
export function createValidator(
  denoiser: Denoiser,
  engine: Engine,
  weights: string,
  set: ValidationSet,
  { group = alone, rows = Math.min(mostRows, set.setting.images) }: { group?: Group; rows?: number } = {},
): Validator {
  const meter = createLossMeter(denoiser, engine, weights, rows);
  const { images, labels, levels, setting } = set;
  const size = images.length / setting.images;
  const chunks = Math.ceil(setting.images / rows);

  /** Sum of the losses of a chunk of the images in each bucket. */
  const chunkSums = async (state: StateHandle, chunk: number): Promise<number[]> => {
    const first = chunk * rows;
    const count = Math.min(rows, setting.images - first);
    const batch: MeterImages = {
      images: images.subarray(first * size, (first + count) * size),
      labels: labels?.subarray(first, first + count),
    };
    const sums = levels.map(() => 0);
    for (let draw = 0; draw < setting.draws; draw++) {
      const noise = set.noise(first, count, draw);
      const start = draw * setting.images + first;
      for (const [bucket, ofBucket] of levels.entries()) {
        if (ofBucket === undefined) continue;
        const losses = await meter.losses(state, batch, noise, ofBucket.slice(start, start + count));
        sums[bucket]! += losses.reduce((sum, loss) => sum + loss, 0);
      }
    }
    return sums;
  };

  return {
    set,
    load: (arrays) => meter.load(arrays),
    async measure(state) {
      const { first, count } = stretchOf(group, chunks);
      const parts = await group.exchange(async () => {
        const sums: number[][] = [];
        for (let chunk = first; chunk < first + count; chunk++) sums.push(await chunkSums(state, chunk));
        return sums;
      });
      // In the order of the chunks, so that the result does not depend on the number of ranks.
      const all = parts.flat();
      const means = levels.map((ofBucket, bucket) =>
        ofBucket === undefined
          ? null
          : all.reduce((sum, sums) => sum + sums[bucket]!, 0) / (setting.images * setting.draws),
      );
      return { geometricMean: geometricMean(means.filter((mean) => mean !== null)), buckets: means };
    },
    dispose: () => meter.dispose(),
  };
}
