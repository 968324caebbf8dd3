/** The extractor `classifier`, trained on a data set by name. */
import { openDataset, type Dataset } from '@dm/data';
import { trainClassifier, type TrainClassifierOptions, type TrainedClassifier } from '@dm/eval';

export interface TrainExtractorOptions extends Omit<TrainClassifierOptions, 'train' | 'test'> {
  /** As `dm data` takes it; it must have labels. */
  readonly data: string;
  /** Side of the images, for image folders. */
  readonly size?: number;
  /** For image folders. */
  readonly channels?: 1 | 3;
}

/** Every so many images of a set without a test split are left out of training. */
const HELD_OUT = 10;

/** Trains on the training split; tested on the test split, or on every tenth image where the set has no split. */
export async function trainExtractor(options: TrainExtractorOptions): Promise<TrainedClassifier> {
  const { data, size, channels, ...training } = options;
  const common = { ...(size !== undefined && { size }), ...(channels !== undefined && { channels }) };
  const train = await openDataset(data, { ...common, split: 'train' });
  const test = await openDataset(data, { ...common, split: 'test' });
  if (train.name !== test.name) return trainClassifier({ ...training, train, test });
  // The set knows no splits: both are the same one.
  const isHeldOut = (index: number) => index % HELD_OUT === HELD_OUT - 1;
  return trainClassifier({
    ...training,
    train: part(train, 'without every tenth image', (index) => !isHeldOut(index)),
    test: part(train, 'every tenth image', isHeldOut),
  });
}

/** Some images of a set, in order. Its hash is that of the whole set: the rule is in its name. */
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
