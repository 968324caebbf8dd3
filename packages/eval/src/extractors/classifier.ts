/** A classifier that was trained on the data at hand, as a file and as an extractor. */
import { formatSafetensors, transpose } from '@dm/models';
import { viewFlat, type NdArray } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { EvalError } from '../errors.js';
import type { FeatureExtractor } from './feature-extractor.js';
import { classifierDimensions, classifierLayout, classify, type ClassifierShape } from './classifier-graph.js';
import { createNetworkExtractor, type ExtractorEngineOptions } from './network-extractor.js';
import { checkWeights, readWeights, type WeightsFile } from './weights-file.js';

export interface ClassifierOptions extends ExtractorEngineOptions {
  /** File that `dm eval train-extractor` wrote. */
  readonly weights: string;
}

/** What a file tells of how it was made; strings, as safetensors has them. */
export type ClassifierRecord = Readonly<Record<string, string>>;

export const classifierHelp =
  'The extractor classifier is trained on your data first: dm eval train-extractor <data set> --out <file>.safetensors.';

const KIND = 'dm classifier 1';
const SHAPE = 'image_shape';
const CLASSES = 'classes';

/** Axes of memory's arrays in a file's (PyTorch's) order, by rank: HWIO to OIHW, [in, out] to [out, in]. */
const toFile: Readonly<Record<number, readonly number[]>> = { 4: [3, 2, 0, 1], 2: [1, 0] };
const fromFile: Readonly<Record<number, readonly number[]>> = { 4: [2, 3, 1, 0], 2: [1, 0] };

const permuted = (array: NdArray, axes: Readonly<Record<number, readonly number[]>>): NdArray =>
  axes[array.shape.length] === undefined ? array : transpose(array, axes[array.shape.length]!);

/** Bytes of a safetensors file of `params`, laid out by `classifierLayout(of)`; `record` is kept with them. */
export function formatClassifier(of: ClassifierShape, params: Float32Array, record: ClassifierRecord = {}): Uint8Array {
  const tensors = Object.entries(viewFlat(params, classifierLayout(of))).map(
    ([name, array]) => [name, permuted(array, toFile)] as const,
  );
  const own = { kind: KIND, [SHAPE]: of.shape.join('x'), [CLASSES]: String(of.classes) };
  return formatSafetensors(Object.fromEntries(tensors), { ...record, ...own });
}

/**
 * The last hidden layer, 128 features, of a classifier for images of one size. Its logits make an inception score of
 * that data's own classes.
 * @throws {EvalError} if the file is missing or no such classifier, and on images of another shape
 */
export async function openClassifierExtractor(options: ClassifierOptions): Promise<FeatureExtractor> {
  const { weights: path, ...engine } = options;
  return createClassifierExtractor(await readWeights(path, classifierHelp), path, engine);
}

/** As `openClassifierExtractor`, of a file that was read already; `name` is for messages. */
export function createClassifierExtractor(
  file: WeightsFile,
  name: string,
  engine: ExtractorEngineOptions,
): FeatureExtractor {
  const { tensors, metadata, sha256 } = file;
  const of = shapeOf(name, metadata);
  const layout = classifierLayout(of);
  const shapes = layout.entries.map(({ name: entry, shape }) => {
    const axes = toFile[shape.length];
    return [entry, axes === undefined ? shape : axes.map((axis) => shape[axis]!)] as const;
  });
  checkWeights(`the classifier (${name})`, tensors, Object.fromEntries(shapes));
  const weights = Object.fromEntries(shapes.map(([entry]) => [entry, permuted(tensors[entry]!, fromFile)]));
  return createNetworkExtractor(
    {
      name: 'classifier',
      weightsSha256: sha256,
      resize: 'none',
      dimensions: classifierDimensions,
      comparable: false,
      hasLogits: true,
      weights,
      apply(params, images) {
        const given = images.shape.slice(1).join('x');
        if (given !== of.shape.join('x')) {
          throw new EvalError(
            'IMAGES_UNSUPPORTED',
            `The classifier ${name} takes images of ${of.shape.join('x')}, not of ${given}.`,
          );
        }
        return classify(params, tf.sub(tf.div(images, 127.5), 1));
      },
    },
    { batchSize: 64, ...engine },
  );
}

function shapeOf(name: string, metadata: ClassifierRecord): ClassifierShape {
  const shape = (metadata[SHAPE] ?? '').split('x').map(Number);
  const classes = Number(metadata[CLASSES]);
  const counts = [...shape, classes];
  if (metadata['kind'] !== KIND || shape.length !== 3 || !counts.every((n) => Number.isInteger(n) && n > 0)) {
    throw new EvalError('WEIGHTS_INVALID', `${name} is no classifier of this library. ${classifierHelp}`);
  }
  return { shape: shape as [number, number, number], classes };
}
