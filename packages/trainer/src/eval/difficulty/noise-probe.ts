/** Loss and gradient of a denoiser per noise range, on fixed images, noise and timesteps. */
import { normalBatch, permutation } from '@dm/core';
import { readValues, type Dataset } from '@dm/data';
import { selectIndices, noiseBuckets, stratifiedTimesteps, type BucketCoordinate, type NoiseBucket } from '@dm/eval';
import {
  type Arrays,
  type CompiledProgram,
  type Engine,
  float32,
  oneHot,
  type Program,
  type StateHandle,
} from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../../errors.js';
import { noiseLevelInputs } from '../../step/batch.js';
import type { Denoiser } from '../../setup/denoiser.js';
import { timestepLevels } from '../../setup/noise-process.js';
import { openData } from '../../setup/open-training-setup.js';
import { denoisingLosses } from '../../step/denoising-losses.js';
import { imagesHash } from '../same-setting.js';

export interface NoiseProbeOptions {
  /** Number of noise ranges; 1 for all noise levels together. Default: 10. */
  readonly buckets?: number;
  /** Coordinate that is divided into equal ranges. Default: timestep. */
  readonly coordinate?: BucketCoordinate;
  /** Images per bucket, the same in all: up to 64, or a multiple of 64. Default: 32. */
  readonly images?: number;
  /** Random seed of the choice of images and of their noise. Default: 0. */
  readonly seed?: number;
  /** Source of the images. Default: the test images of the configured data. */
  readonly dataset?: Dataset;
}

/** The setting of a probe. Measurements are comparable only if their settings are equal. */
export interface ProbeSetting {
  readonly buckets: readonly NoiseBucket[];
  readonly coordinate: BucketCoordinate;
  /** Name of the data set, whose test images are used if it has any, otherwise its training images. */
  readonly data: string;
  readonly images: number;
  /** SHA-256 of these images and their classes; undefined in files of earlier versions. */
  readonly imagesSha256?: string;
  readonly seed: number;
  /** Prediction type; the loss is its unweighted MSE. */
  readonly prediction: string;
}

export interface NoiseProbe {
  readonly setting: ProbeSetting;
  /** Loads weights (`params`, and `buffers` if the model has any) into the engine. */
  load(weights: Arrays): Promise<StateHandle>;
  /** Mean loss of a bucket with the weights in `state`, which is not changed. */
  loss(state: StateHandle, bucket: number): Promise<number>;
  /** Mean loss of a bucket, and its gradient [P]. */
  gradient(state: StateHandle, bucket: number): Promise<{ loss: number; gradient: Float64Array }>;
  dispose(): Promise<void>;
}

/** Images per model call. */
const chunk = 64;

/**
 * Every bucket has the same images and the same noise, so only the noise level differs; its timesteps are spread
 * evenly over it. Conditional models receive the classes of the images; dropout is off. The weights are the entry
 * `weights` of the state: of a training state `params` or `ema`.
 *
 * @throws {UserError} if an option is invalid, or the data has too few images or no labels
 */
export async function openNoiseProbe(
  denoiser: Denoiser,
  engine: Engine,
  weights: 'params' | 'ema',
  options: NoiseProbeOptions = {},
): Promise<NoiseProbe> {
  const { buckets: count = 10, coordinate = 'timestep', images = 32, seed = 0 } = options;
  if (!Number.isInteger(images) || images < 2 || (images > chunk && images % chunk !== 0)) {
    throw new UserError(`A probe must have 2 to ${chunk} images, or a multiple of ${chunk}, got ${images}.`);
  }
  const { noiseSchedule, config } = denoiser;
  const buckets = noiseBuckets(noiseSchedule, count, coordinate);
  const { name, imagesSha256, batch } = await examples(
    denoiser,
    options.dataset ?? (await openData(denoiser.config, 'test')),
    images,
    seed,
  );
  const inputs = buckets.map((bucket) => chunksOf({ ...batch, ...levelsOf(denoiser, bucket, images, seed) }));
  const lossProgram = engine.compile(lossOf(denoiser, weights), { name: 'loss by noise' });
  const gradientProgram = engine.compile(gradientOf(denoiser, weights), { name: 'gradient by noise' });

  const over = async (program: CompiledProgram, state: StateHandle, bucket: number, each: (out: Arrays) => void) => {
    for (const part of inputs[bucket]!) each(await program.run(state, part));
  };
  return {
    setting: {
      buckets,
      coordinate,
      data: name,
      images,
      imagesSha256,
      seed,
      prediction: config.diffusion.prediction.type,
    },
    load: (arrays) => lossProgram.load(arrays),
    async loss(state, bucket) {
      let sum = 0;
      await over(lossProgram, state, bucket, ({ losses }) => (sum += total(losses!.data)));
      return sum / images;
    },
    async gradient(state, bucket) {
      let sum = 0;
      const gradient = new Float64Array(denoiser.layout.size);
      const parts = inputs[bucket]!.length;
      await over(gradientProgram, state, bucket, (out) => {
        sum += total(out['losses']!.data);
        const { data } = out['gradient']!;
        for (let i = 0; i < gradient.length; i++) gradient[i]! += data[i]! / parts;
      });
      return { loss: sum / images, gradient };
    },
    async dispose() {
      await lossProgram.dispose();
      await gradientProgram.dispose();
    },
  };
}

function lossOf(denoiser: Denoiser, weights: string): Program {
  return (state, inputs) => ({ outputs: { losses: denoisingLosses(denoiser, state[weights]!, state, inputs) } });
}

function gradientOf(denoiser: Denoiser, weights: string): Program {
  return (state, inputs) => {
    const [count] = inputs['images']!.shape;
    const dy = tf.fill([count], 1 / count);
    const { value, grad } = tf.valueAndGrad((params: tf.Tensor) => denoisingLosses(denoiser, params, state, inputs))(
      state[weights]!,
      dy,
    );
    return { outputs: { losses: value, gradient: grad } };
  };
}

/** Randomly chosen images with noise and classes; test images if the data has any. */
async function examples(
  { model }: Denoiser,
  dataset: Dataset,
  count: number,
  seed: number,
): Promise<{ readonly name: string; readonly imagesSha256: string; readonly batch: Arrays }> {
  if (dataset.length < count) {
    throw new UserError(`A probe of ${count} images, but ${dataset.name} has ${dataset.length}: take fewer.`);
  }
  const { images, labels } = await readValues(dataset, selectIndices(dataset.name, dataset.length, { count, seed }));
  if (model.numClasses > 0 && labels === undefined) {
    throw new UserError(`The model is conditional, but ${dataset.name} has no labels.`);
  }
  const indices = Array.from({ length: count }, (_, i) => i);
  return {
    name: dataset.name,
    imagesSha256: imagesHash(images, labels),
    batch: {
      images: float32(images, [count, ...dataset.shape]),
      noise: normalBatch({ seed, stream: 'evaluation', indices }, dataset.shape),
      ...(model.numClasses > 0 && { cond: oneHot(labels!, model.condDim) }),
    },
  };
}

/** The inputs that depend on the bucket. */
function levelsOf(denoiser: Denoiser, bucket: NoiseBucket, count: number, seed: number): Arrays {
  // Data sets are often sorted by class: the random order decorrelates timesteps and classes.
  const even = stratifiedTimesteps(bucket, count);
  const timesteps = Int32Array.from(permutation({ seed, stream: 'evaluation', lane: 1 }, count), (i) => even[i]!);
  return noiseLevelInputs(denoiser, timestepLevels(denoiser, timesteps));
}

function chunksOf(batch: Arrays): Arrays[] {
  const count = batch['t']!.shape[0]!;
  const size = Math.min(chunk, count);
  return Array.from({ length: count / size }, (_, k) =>
    Object.fromEntries(
      Object.entries(batch).map(([name, { shape, data }]) => {
        const width = data.length / count;
        const rows = (data as Float32Array).subarray(k * size * width, (k + 1) * size * width);
        return [name, float32(rows, [size, ...shape.slice(1)])];
      }),
    ),
  );
}

function total(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum;
}
