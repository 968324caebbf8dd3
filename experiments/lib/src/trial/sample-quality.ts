/** Distances between samples and held-out images in the features of a small network. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import {
  createSampler,
  discretePath,
  flowPath,
  normalBatch,
  samplerFromConfig,
  type NoiseSchedule,
  type SamplerConfig,
  type SamplerOptions,
} from '@dm/core';
import type { Dataset } from '@dm/data';
import {
  openClassifierExtractor,
  openDatasetSource,
  extractFeatures,
  frechetDistanceFrom,
  openMobilenetExtractor,
  createArraySource,
  unbiasedMmd2,
  type FeatureExtractor,
  type Features,
} from '@dm/eval';
import { splitFlat, type Arrays, type Engine, type NdArray } from '@dm/ops';
import type { Denoiser } from '@dm/trainer';
import type { Size } from '../recipe/sizes.js';

/** The committed weights of the classifier, trained by `nx run experiments-lib:extractor`. */
export const extractorFile = join(
  dirname(createRequire(import.meta.url).resolve('@dm/experiments/package.json')),
  'extractors/mnist-12.safetensors',
);

export interface SampleQuality {
  /** Squared Fréchet distance of the features. Not an FID, which uses another network. */
  readonly fd: number;
  /** Unbiased squared MMD with KID's kernel, of all samples and as many held-out images. Not a KID. */
  readonly kd: number;
}

/** The extractor and the features of the held-out images, shared by all arms. */
export interface SampleMetric {
  readonly extractor: FeatureExtractor;
  /** Quality of samples, [N, H, W, C] in [-1, 1]. */
  evaluate(samples: NdArray): Promise<SampleQuality>;
}

/** Uses the digit classifier for MNIST at 12x12, and MobileNetV2 for CIFAR-10. */
export async function openSampleMetric(engine: Engine, data: Size['data'], heldOut: Dataset): Promise<SampleMetric> {
  const extractor =
    data === 'mnist-12'
      ? await openClassifierExtractor({ engine, weights: extractorFile })
      : await openMobilenetExtractor({ engine, resize: 'libvips' }); // as in all committed results
  const keepFeatures = true;
  const reference = await extractFeatures(await openDatasetSource(heldOut), extractor, { keepFeatures });
  const distanceTo = frechetDistanceFrom(reference.statistics);
  return {
    extractor,
    async evaluate(samples) {
      const source = createArraySource('samples', { ...samples, shape: [...samples.shape] });
      const generated = await extractFeatures(source, extractor, { keepFeatures });
      return {
        fd: distanceTo(generated.statistics).distance,
        kd: unbiasedMmd2(spread(reference.features!, generated.count), generated.features!),
      };
    },
  };
}

/** Selects `count` evenly spaced rows. */
function spread({ values, dimension }: Features, count: number): Features {
  const rows = values.length / dimension;
  const kept = Math.min(count, rows);
  const out = new Float32Array(kept * dimension);
  for (let i = 0; i < kept; i++) {
    const row = Math.floor((i * rows) / kept);
    out.set(values.subarray(row * dimension, (row + 1) * dimension), i * dimension);
  }
  return { values: out, dimension };
}

export interface ImageSampler {
  /** `count` images, [count, H, W, C], from parameters [P]. Initial and per-step noise are the same in every call. */
  samples(weights: NdArray, count: number): Promise<NdArray>;
  dispose(): Promise<void>;
}

/** Batch size for sampling. */
const BATCH = 250;
/** Seed of the noise. */
const SEED = 79_462_404;

/** A denoiser in closed form, or a network. */
export interface Predictor extends Pick<SamplerOptions, 'predict' | 'prediction' | 'shape'> {
  /** `flow` for a rectified flow, which is sampled at evenly spaced flow times. */
  readonly noiseSchedule: NoiseSchedule | 'flow';
}

/** The initial noise of image 0 to `count` - 1 in every sampler: [count, ...shape]. */
export function sharedNoise(count: number, shape: readonly number[]): NdArray {
  return normalBatch(
    { seed: SEED, stream: 'sample', step: 0, indices: Array.from({ length: count }, (_, i) => i) },
    shape,
  );
}

/**
 * A sampler with `steps` trailing steps, by default DDIM with eta 0; x0 is clipped to [-1, 1]. `samples` takes the state
 * that `predict` uses; initial and per-step noise are the same for every sampler.
 */
export function createSharedNoiseSampler(
  { predict, prediction, noiseSchedule, shape }: Predictor,
  steps: number,
  engine: Engine,
  config: SamplerConfig = { name: 'ddim' },
) {
  const sampler = createSampler({
    engine,
    predict,
    prediction,
    sampler: samplerFromConfig(config),
    path: noiseSchedule === 'flow' ? flowPath({ steps }) : discretePath(noiseSchedule, { steps, spacing: 'trailing' }),
    shape,
    clip: 1,
  });
  return {
    samples: (state: Arrays, count: number): Promise<NdArray> =>
      sampler.sample({ state, seed: SEED, n: count, batchSize: BATCH }),
    dispose: () => sampler.dispose(),
  };
}

/** The sampler of a network, with the noise of `createSharedNoiseSampler`. */
export function createImageSampler(
  denoiser: Denoiser,
  steps: number,
  engine: Engine,
  config?: SamplerConfig,
): ImageSampler {
  const { model, layout, config: configured } = denoiser;
  const isFlow = configured.diffusion.schedule.type === 'flow';
  const { samples, dispose } = createSharedNoiseSampler(
    {
      predict: (state, x, t) => model.apply(splitFlat(state['weights']!, layout), x, t, {}),
      prediction: configured.diffusion.prediction.type,
      noiseSchedule: isFlow ? 'flow' : denoiser.noiseSchedule,
      shape: model.inputShape,
    },
    steps,
    engine,
    config,
  );
  return { samples: (weights, count) => samples({ weights }, count), dispose };
}
