/** Training of the extractor `classifier`. */
import { openDataset, type Dataset } from '@dm/data';
import { UserError } from '../../errors.js';
import { selectIndices, trainClassifier, type TrainClassifierOptions, type TrainedClassifier } from '@dm/eval';

export interface TrainExtractorOptions extends Omit<TrainClassifierOptions, 'train' | 'test'> {
  /** Name of a labeled data set, as for `dm data`. */
  readonly data: string;
  /** Image size in pixels, for image folders. */
  readonly size?: number;
  /** Number of channels, for image folders. */
  readonly channels?: 1 | 3;
}

/** If a data set has no test split, one of so many images is held out. */
const HELD_OUT = 10;

/** Trains on the training split and tests on the test split; without splits, a tenth, at random, is held out for testing. */
export async function trainExtractor(options: TrainExtractorOptions): Promise<TrainedClassifier> {
  const { data, size, channels, ...training } = options;
  const common = { ...(size !== undefined && { size }), ...(channels !== undefined && { channels }) };
  const train = await openDataset(data, { ...common, split: 'train' });
  if (train.floats !== undefined) {
    throw new UserError(`${train.name} has latents, but an extractor is trained on images. Give the images as data.`, {
      code: 'DATA_MISMATCH',
    });
  }
  const test = await openDataset(data, { ...common, split: 'test' });
  if (train.name !== test.name) return trainClassifier({ ...training, train, test });
  // The data set has no splits: both are the same.
  const count = Math.floor(train.length / HELD_OUT);
  const heldOut = new Set(selectIndices(train.name, train.length, { count, seed: 0 }));
  return trainClassifier({
    ...training,
    train: part(train, 'without a tenth of the images, at random', (index) => !heldOut.has(index)),
    test: part(train, 'a tenth of the images, at random', (index) => heldOut.has(index)),
  });
}

/** A subset of a data set, in order. Its hash is the hash of the whole set; its name contains the rule. */
function part(dataset: Dataset, rule: string, keeps: (index: number) => boolean): Dataset {
  const kept = Uint32Array.from({ length: dataset.length }, (_, i) => i).filter(keeps);
  return {
    name: `${dataset.name}, ${rule}`,
    length: kept.length,
    shape: dataset.shape,
    classes: dataset.classes,
    hash: () => dataset.hash(),
    read: (indices) => dataset.read(Uint32Array.from(indices, (index) => kept[index]!)),
  };
}
