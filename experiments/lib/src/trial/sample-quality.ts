/** How far samples are from held-out images, in the features of a small network. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createSampler, discretePath, samplerFromConfig, type SamplerConfig } from '@dm/core';
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
import { splitFlat, type Engine, type NdArray } from '@dm/ops';
import type { Denoiser } from '@dm/trainer';
import type { Size } from '../recipe/sizes.js';

/** The classifier's weights, made by `nx run experiments-lib:extractor`: one ruler for every machine. */
export const extractorFile = join(
  dirname(createRequire(import.meta.url).resolve('@dm/experiments/package.json')),
  'extractors/mnist-12.safetensors',
);

export interface SampleQuality {
  /** Squared Fréchet distance of the features; no FID, whose network is another. */
  readonly fd: number;
  /** Unbiased squared MMD with KID's kernel, over all samples and as many held-out images; no KID. */
  readonly kd: number;
}

/** What is the same for all arms: the extractor and the held-out images' features. */
export interface SampleMetric {
  readonly extractor: FeatureExtractor;
  /** Of samples [N, H, W, C] in [-1, 1]. */
  evaluate(samples: NdArray): Promise<SampleQuality>;
}

/** MNIST at 12x12 is measured by the classifier of its digits, CIFAR-10 by MobileNetV2. */
export async function openSampleMetric(engine: Engine, data: Size['data'], heldOut: Dataset): Promise<SampleMetric> {
  const extractor =
    data === 'mnist-12'
      ? await openClassifierExtractor({ engine, weights: extractorFile })
      : await openMobilenetExtractor({ engine, resize: 'libvips' }); // as all committed results have it
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

/** `count` rows, evenly spaced. */
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
  /** `count` images from the parameters [P]: the same noise at every call, for every arm, that of each step too. */
  samples(weights: NdArray, count: number): Promise<NdArray>;
  dispose(): Promise<void>;
}

/** Images that go through the model at a time. */
const BATCH = 250;
/** Of the initial noise. */
const SEED = 79_462_404;

/** In `steps` trailing steps, by default of DDIM (eta 0); x0 is clipped to [-1, 1]. */
export function createImageSampler(
  denoiser: Denoiser,
  steps: number,
  engine: Engine,
  config: SamplerConfig = { name: 'ddim' },
): ImageSampler {
  const { model, layout, noiseSchedule } = denoiser;
  const sampler = createSampler({
    engine,
    predict: (state, x, t) => model.apply(splitFlat(state['weights']!, layout), x, t, {}),
    prediction: denoiser.config.diffusion.prediction.type,
    sampler: samplerFromConfig(config),
    path: discretePath(noiseSchedule, { steps, spacing: 'trailing' }),
    shape: model.inputShape,
    clip: 1,
  });
  return {
    samples: (weights, count) => sampler.sample({ state: { weights }, seed: SEED, n: count, batchSize: BATCH }),
    dispose: () => sampler.dispose(),
  };
}
