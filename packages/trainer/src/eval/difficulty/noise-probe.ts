/** Loss and gradient of a denoiser in each range of noise, on images, noise and timesteps that never change. */
import { noiseLevels, normalBatch, permutation } from '@dm/core';
import { toFloat, type Dataset } from '@dm/data';
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
import { openData } from '../../setup/open-training-setup.js';
import { denoisingLosses } from '../../step/denoising-losses.js';

export interface NoiseProbeOptions {
  /** Ranges of noise; 1 is all of it. Default 10. */
  readonly buckets?: number;
  /** What is divided into equal parts. Default timestep. */
  readonly coordinate?: BucketCoordinate;
  /** Images of a bucket, the same ones in each. Up to 64, or a multiple of 64. Default 32. */
  readonly images?: number;
  /** Of the choice of images and of their noise. Default 0. */
  readonly seed?: number;
  /** Where the images are taken from; default the test images of the data that the configuration names. */
  readonly dataset?: Dataset;
}

/** What a probe measured on: the same for every measurement, and what makes two of them comparable. */
export interface ProbeSetting {
  readonly buckets: readonly NoiseBucket[];
  readonly coordinate: BucketCoordinate;
  /** Name of the data set: its test images where it has any, else those that are trained on. */
  readonly data: string;
  readonly images: number;
  readonly seed: number;
  /** What the network predicts: the loss is the unweighted MSE of that. */
  readonly prediction: string;
}

export interface NoiseProbe {
  readonly setting: ProbeSetting;
  /** Puts weights (`params`, and `buffers` where the model has any) into the engine, for a probe of these. */
  load(weights: Arrays): Promise<StateHandle>;
  /** Mean loss of a bucket with the weights in `state`, which is left as it is. */
  loss(state: StateHandle, bucket: number): Promise<number>;
  /** The same with its gradient [P]. */
  gradient(state: StateHandle, bucket: number): Promise<{ loss: number; gradient: Float64Array }>;
  dispose(): Promise<void>;
}

/** Images that go through the model at a time. */
const chunk = 64;

/**
 * Every bucket has the same images and the same noise, so only the noise level differs; its timesteps are spread
 * evenly over it. Conditional models are given the images' own classes; there is no dropout. The weights are the entry
 * `weights` of the state: of a training state `params` or `ema`.
 * @throws {Error} on options that cannot be, and a UserError where the data has too few images or lacks labels
 */
export async function openNoiseProbe(
  denoiser: Denoiser,
  engine: Engine,
  weights: 'params' | 'ema',
  options: NoiseProbeOptions = {},
): Promise<NoiseProbe> {
  const { buckets: count = 10, coordinate = 'timestep', images = 32, seed = 0 } = options;
  if (!Number.isInteger(images) || images < 2 || (images > chunk && images % chunk !== 0)) {
    throw new UserError(`A probe of ${images} images: take from 2 to ${chunk}, or a multiple of ${chunk}.`);
  }
  const { noiseSchedule, config } = denoiser;
  const buckets = noiseBuckets(noiseSchedule, count, coordinate);
  const { name, batch } = await examples(
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
    setting: { buckets, coordinate, data: name, images, seed, prediction: config.diffusion.prediction.type },
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

/** Images chosen by chance with their noise and classes: test images where the data has any. */
async function examples(
  { model }: Denoiser,
  dataset: Dataset,
  count: number,
  seed: number,
): Promise<{ name: string; batch: Arrays }> {
  if (dataset.length < count) {
    throw new UserError(`A probe of ${count} images, but ${dataset.name} has ${dataset.length}: take fewer.`);
  }
  const { images, labels } = await dataset.read(selectIndices(dataset.name, dataset.length, { count, seed }));
  if (model.numClasses > 0 && labels === undefined) {
    throw new UserError(`The model is conditional, but ${dataset.name} has no labels.`);
  }
  const indices = Array.from({ length: count }, (_, i) => i);
  return {
    name: dataset.name,
    batch: {
      images: float32(toFloat(images), [count, ...dataset.shape]),
      noise: normalBatch({ seed, stream: 'evaluation', indices }, dataset.shape),
      ...(model.numClasses > 0 && { cond: oneHot(labels!, model.condDim) }),
    },
  };
}

/** The inputs that differ from bucket to bucket. */
function levelsOf({ noiseSchedule, config }: Denoiser, bucket: NoiseBucket, count: number, seed: number): Arrays {
  // Sets are often sorted by class: in random order timesteps and classes have nothing to do with each other.
  const even = stratifiedTimesteps(bucket, count);
  const timesteps = Int32Array.from(permutation({ seed, stream: 'evaluation', lane: 1 }, count), (i) => even[i]!);
  const levels = noiseLevels(noiseSchedule, timesteps);
  return noiseLevelInputs(config.diffusion, levels);
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
