/** One training of a recipe, and what its samples look like to the classifier. */
import { join } from 'node:path';
import { toBytes } from '@dm/data';
import { featureStatistics, frechetDistance, type FeatureExtractor, type FeatureStatistics } from '@dm/eval';
import { makeFolder } from '@dm/files';
import { trainDigits } from '@dm/experiments';
import { generateSamples, resolveConfig, writeImages } from '@dm/trainer';
import { readDigits } from './classifier.js';
import { recipes, samplerSettings } from './recipes.js';

export interface SampledQuality {
  /** Fraction of samples that the classifier reads as their class. */
  readonly readable: number;
  /** Fréchet distance to the test images in the classifier's features. */
  readonly fd: number;
}

export interface TrialResult {
  readonly recipe: string;
  readonly seed: number;
  readonly steps: number;
  readonly images: number;
  /** By sampler setting. */
  readonly samples: Readonly<Record<string, SampledQuality>>;
  /** Of the classifier that read them; absent in results from before it was recorded. */
  readonly weightsSha256?: string;
}

export interface TrialOptions {
  readonly recipe: string;
  readonly seed: number;
  readonly steps: number;
  /** Number of samples; a multiple of the number of classes. */
  readonly images: number;
  readonly classifier: FeatureExtractor;
  readonly reference: FeatureStatistics;
  /** Names of the sampler settings to measure. */
  readonly settings: readonly string[];
  /** Folder of the run. */
  readonly run: string;
  /** Folder for a grid of samples of each setting. */
  readonly folder: string;
}

export async function runTrial(options: TrialOptions): Promise<TrialResult> {
  const { recipe, seed, steps, images, settings, classifier, reference, run, folder } = options;
  const { config } = recipes[recipe]!;
  await trainDigits({ config, steps, seed, run });
  makeFolder(folder);
  const samples: Record<string, SampledQuality> = {};
  for (const name of settings) {
    const setting = samplerSettings[name]!;
    if (setting.guidance !== 1 && resolveConfig([{ source: recipe, value: config }]).labelDropout === null) continue;
    const generated = await generateSamples({ run, count: images, seed: 1, ...setting });
    await writeImages(join(folder, `${name.replaceAll(' ', '-')}.png`), {
      images: generated.images.subarray(0, 100 * 28 * 28),
      shape: [100, 28, 28, 1],
    });
    const bytes = { data: toBytes(generated.images), shape: generated.shape };
    const { readable, features } = await readDigits(classifier, bytes, generated.labels!);
    const statistics = featureStatistics({ values: features, dimension: classifier.dimensions });
    samples[name] = { readable, fd: frechetDistance(reference, statistics).distance };
    console.log(
      `${recipe}, seed ${seed}, ${name}: ${(100 * readable).toFixed(1)}% readable, FD ${samples[name].fd.toFixed(3)}`,
    );
  }
  return { recipe, seed, steps, images, samples, weightsSha256: classifier.weightsSha256 };
}
