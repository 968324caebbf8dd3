/** The classifier that decides whether a digit is readable, and the checks of that rule. */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { openDataset, type Dataset } from '@dm/data';
import { trainClassifier, type FeatureExtractor, type ImageBytes } from '@dm/eval';
import { atomicWriteFileAsync, makeFolder } from '@dm/files';
import { openOnnxEngine } from '@dm/jit';
import { openExtractor } from '@dm/trainer';

/** A digit is readable if the classifier gives its label at least this probability. */
const READABLE = 0.98;

const BATCH = 250;

/** Opens the classifier of `path`, which is trained first, on `split` of the digits, if it does not exist. */
export async function openDigitClassifier(
  path: string,
  { split = 'train', epochs = 3 }: { split?: 'train' | 'test'; epochs?: number } = {},
): Promise<FeatureExtractor> {
  if (!existsSync(path)) {
    const engine = await openOnnxEngine();
    const sets = {
      train: await openDataset('mnist', { split }),
      test: await openDataset('mnist', { split: 'test' }),
    };
    const { file, testAccuracy } = await trainClassifier({ ...sets, epochs, engine });
    await engine.dispose();
    makeFolder(dirname(path));
    await atomicWriteFileAsync(path, (handle) => handle.writeFile(file));
    console.log(`classifier: ${(100 * testAccuracy).toFixed(2)}% of the test images correct`);
  }
  return openExtractor('classifier', { weights: path });
}

export interface Readings {
  /** Fraction of images whose label has a probability of at least `READABLE`. */
  readonly readable: number;
  /** [N, dimensions] */
  readonly features: Float32Array;
}

/** Reads images uint8 [N, 28, 28, 1], whose labels are `labels`. */
export async function readDigits(
  classifier: FeatureExtractor,
  { data, shape }: ImageBytes,
  labels: ArrayLike<number>,
): Promise<Readings> {
  const [count, height, width, channels] = shape;
  const size = height * width * channels;
  const features = new Float32Array(count * classifier.dimensions);
  let readable = 0;
  for (let begin = 0; begin < count; begin += BATCH) {
    const end = Math.min(begin + BATCH, count);
    const batch = await classifier.features({
      data: data.subarray(begin * size, end * size),
      shape: [end - begin, height, width, channels],
    });
    features.set(batch.features, begin * classifier.dimensions);
    const classes = batch.logits!.length / (end - begin);
    for (let i = begin; i < end; i++) {
      const logits = batch.logits!.subarray((i - begin) * classes, (i - begin + 1) * classes);
      if (probability(logits, labels[i]!) >= READABLE) readable++;
    }
  }
  return { readable: readable / count, features };
}

/** Softmax of `logits` at `index`. */
export function probability(logits: ArrayLike<number>, index: number): number {
  const all = Array.from(logits);
  const largest = Math.max(...all);
  const sum = all.reduce((total, logit) => total + Math.exp(logit - largest), 0);
  return Math.exp(all[index]! - largest) / sum;
}

/** How often the rule accepts real test digits, and averages of two digits of different classes. */
export interface RuleCheck {
  readonly testImages: number;
  readonly averages: number;
  /** Of the classifier; absent in results from before it was recorded. */
  readonly weightsSha256?: string;
}

export async function checkRule(classifier: FeatureExtractor, test: Dataset): Promise<RuleCheck> {
  const { images, labels } = await allImages(test);
  const [height, width, channels] = test.shape;
  const size = height * width * channels;
  const real = await readDigits(classifier, { data: images, shape: [test.length, height, width, channels] }, labels);
  // Each image with the next one of another class; the label is the first's.
  const averages = new Uint8Array(images.length);
  for (let i = 0; i < test.length; i++) {
    let other = (i + 1) % test.length;
    while (labels[other] === labels[i]) other = (other + 1) % test.length;
    for (let j = 0; j < size; j++) {
      averages[i * size + j] = Math.round((images[i * size + j]! + images[other * size + j]!) / 2);
    }
  }
  const mixed = await readDigits(classifier, { data: averages, shape: [test.length, height, width, channels] }, labels);
  return { testImages: real.readable, averages: mixed.readable, weightsSha256: classifier.weightsSha256 };
}

/** All images of a data set, uint8 [N * H * W * C], and their labels. */
export async function allImages(dataset: Dataset): Promise<{ images: Uint8Array; labels: Int32Array }> {
  const { images, labels } = await dataset.read(Uint32Array.from({ length: dataset.length }, (_, i) => i));
  return { images, labels: labels! };
}
