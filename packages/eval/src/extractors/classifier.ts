/** A classifier trained on the user's data, as a file and as an extractor. */
import { dmCommand } from '@dm/files';
import { formatSafetensors, transpose } from '@dm/models';
import { viewFlat, type NdArray } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { EvalError } from '../errors.js';
import type { FeatureExtractor } from './feature-extractor.js';
import { classifierDimensions, classifierLayout, classify, type ClassifierShape } from './classifier-graph.js';
import { createNetworkExtractor, type ExtractorEngineOptions } from './network-extractor.js';
import { checkWeights, readWeights, type WeightsFile } from './weights-file.js';

export interface ClassifierOptions extends ExtractorEngineOptions {
  /** File written by `dm eval train-extractor`. */
  readonly weights: string;
}

/** How a file was trained; string values, as in safetensors metadata. */
export type ClassifierRecord = Readonly<Record<string, string>>;

/** How to get the weights of the extractor `classifier`. */
export function classifierHelp(): string {
  const command = dmCommand(['eval', 'train-extractor', '<data>'], { out: '<file>.safetensors' });
  return `Train the extractor classifier on your data first: ${command}`;
}

const KIND = 'dm classifier 1';
const SHAPE = 'image_shape';
const CLASSES = 'classes';

/** Permutation to PyTorch's layout by rank: HWIO to OIHW, [in, out] to [out, in]. */
const toFile: Readonly<Record<number, readonly number[]>> = { 4: [3, 2, 0, 1], 2: [1, 0] };
const fromFile: Readonly<Record<number, readonly number[]>> = { 4: [2, 3, 1, 0], 2: [1, 0] };

const permuted = (array: NdArray, axes: Readonly<Record<number, readonly number[]>>): NdArray =>
  axes[array.shape.length] === undefined ? array : transpose(array, axes[array.shape.length]!);

/** A safetensors file with `params` (laid out by `classifierLayout(of)`) and `record` as metadata. */
export function formatClassifier(of: ClassifierShape, params: Float32Array, record: ClassifierRecord = {}): Uint8Array {
  const tensors = Object.entries(viewFlat(params, classifierLayout(of))).map(
    ([name, array]) => [name, permuted(array, toFile)] as const,
  );
  const own = { kind: KIND, [SHAPE]: of.shape.join('x'), [CLASSES]: String(of.classes) };
  return formatSafetensors(Object.fromEntries(tensors), { ...record, ...own });
}

/**
 * The 128 features of the last hidden layer of a classifier for images of one size. Its logits give an inception score
 * over the classes it was trained on.
 * @throws {EvalError} if the file is missing or not such a classifier; `features` throws it if images have another
 * shape
 */
export async function openClassifierExtractor(options: ClassifierOptions): Promise<FeatureExtractor> {
  const { weights: path, ...engine } = options;
  return createClassifierExtractor(await readWeights(path, classifierHelp()), path, engine);
}

/** As `openClassifierExtractor`, for a file already read; `name` is used in messages. */
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
      imageShape: of.shape,
      apply: (params, images) => classify(params, tf.sub(tf.div(images, 127.5), 1)),
    },
    { batchSize: 64, ...engine },
  );
}

function shapeOf(name: string, metadata: ClassifierRecord): ClassifierShape {
  const shape = (metadata[SHAPE] ?? '').split('x').map(Number);
  const classes = Number(metadata[CLASSES]);
  const counts = [...shape, classes];
  if (metadata['kind'] !== KIND || shape.length !== 3 || !counts.every((n) => Number.isInteger(n) && n > 0)) {
    throw new EvalError('WEIGHTS_INVALID', `${name} is not a classifier written by dm. ${classifierHelp()}`);
  }
  return { shape: shape as [number, number, number], classes };
}
