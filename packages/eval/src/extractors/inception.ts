/** InceptionV3 with FID's weights, from a file that the user provides. */
import { transpose } from '@dm/models';
import { type Arrays, checkChoice, float32, type NdArray } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import type { FeatureExtractor } from './feature-extractor.js';
import { inception } from './inception-graph.js';
import { inceptionUnits } from './inception-units.js';
import { createNetworkExtractor, type ExtractorEngineOptions } from './network-extractor.js';
import { asRgb, resizeBilinear, resizeName, resizePreparation, type ResizeMethod } from './resize.js';
import { checkWeights, readWeights } from './weights-file.js';

export const inceptionTaps = [64, 192, 768, 2048] as const;

export type InceptionTap = (typeof inceptionTaps)[number];

export interface InceptionOptions extends ExtractorEngineOptions {
  /** safetensors file with torchvision's names, as written by tools/extractors/inception_weights.py. */
  readonly weights: string;
  /** Feature tap by number of channels. Default 2048, as FID. Maps are globally averaged, as in pytorch-fid. */
  readonly tap?: InceptionTap;
  /** Default `bilinear`, as pytorch-fid. With any other method the distance is not an FID. */
  readonly resize?: ResizeMethod;
}

const INPUT_SIZE = 299;
const BATCH_NORM_EPSILON = 1e-3;
const CLASSES = 1008;
/** Channels of Mixed_6d's first branch used by sFID. */
const SPATIAL_CHANNELS = 7;
/** First digits of the SHA-256 of pytorch-fid's weights file, as in its name. */
const PUBLIC_WEIGHTS = '6726825d';

export const inceptionHelp =
  "The extractor inception needs FID's weights, which this library does not include. Download " +
  'pt_inception-2015-12-05-6726825d.pth (95 MB) from the releases of github.com/mseitzer/pytorch-fid, convert it with ' +
  '`python tools/extractors/inception_weights.py <that file> <out.safetensors>` from the dm repository, and pass the ' +
  'result to --weights.';

/**
 * InceptionV3 as in pytorch-fid: bytes / 255, bilinear resize to 299x299, then scaled to [-1, 1].
 *
 * Logits exclude the bias of the last layer, as in the original Inception Score code (Salimans et al. 2016,
 * arXiv:1606.03498). Spatial features are the first 7 channels of Mixed_6d's first branch, 17 x 17 x 7 = 2023 (Nash et
 * al. 2021, arXiv:2103.03841). `comparable` is true only for 2048 features, bilinear resize, and weights converted from
 * the public file.
 *
 * @throws {EvalError} if the file is missing (the message says how to get it), or its tensors do not fit the network
 * @throws {RangeError} if `tap` is unknown
 */
export async function openInceptionExtractor(options: InceptionOptions): Promise<FeatureExtractor> {
  const { weights: path, tap = 2048, resize = 'bilinear', ...engine } = options;
  checkChoice('openInceptionExtractor: tap', tap, inceptionTaps);
  const { tensors, metadata, sha256 } = await readWeights(path, inceptionHelp);
  return createNetworkExtractor(
    {
      name: tap === 2048 ? 'inception' : `inception-${tap}`,
      weightsSha256: sha256,
      resize: resizeName(resize, INPUT_SIZE),
      dimensions: tap,
      comparable: isPublishedForm({ metadata, tap, resize }),
      hasLogits: true,
      hasSpatial: true,
      weights: inceptionWeights(path, tensors),
      ...resizePreparation(resize, INPUT_SIZE),
      apply(weights, images) {
        const sized = resizeBilinear(tf.div(asRgb(images), 255), INPUT_SIZE);
        const { taps, mixed6Conv } = inception(weights, tf.sub(tf.mul(sized, 2), 1));
        const [n, height, width] = mixed6Conv.shape as [number, number, number, number];
        const spatial = tf.slice(mixed6Conv, [0, 0, 0, 0], [n, height, width, SPATIAL_CHANNELS]);
        return {
          features: tap === 2048 ? taps[2048] : tf.mean(taps[tap], [1, 2]),
          logits: tf.matMul(taps[2048], weights['fc.weight']!),
          spatial: tf.reshape(spatial, [n, height * width * SPATIAL_CHANNELS]),
        };
      },
    },
    { batchSize: 8, ...engine },
  );
}

/** Whether the features are the ones papers use: 2048, bilinear, weights converted from pytorch-fid's public file. */
export function isPublishedForm({
  metadata,
  tap,
  resize,
}: Required<Pick<InceptionOptions, 'tap' | 'resize'>> & { metadata: Readonly<Record<string, string>> }): boolean {
  const isPublic = (metadata['source_sha256'] ?? '').startsWith(PUBLIC_WEIGHTS);
  return isPublic && tap === 2048 && resize === 'bilinear';
}

/** Converts a file's tensors to the graph's weights: batch norms folded into the convolutions, HWIO layout. */
export function inceptionWeights(name: string, tensors: Readonly<Record<string, NdArray>>): Arrays {
  const shapes: Record<string, readonly number[]> = { 'fc.weight': [CLASSES, 2048] };
  for (const [unit, { inChannels, outChannels, kernel }] of Object.entries(inceptionUnits)) {
    shapes[`${unit}.conv.weight`] = [outChannels, inChannels, ...kernel];
    for (const part of ['weight', 'bias', 'running_mean', 'running_var']) shapes[`${unit}.bn.${part}`] = [outChannels];
  }
  checkWeights(`InceptionV3 (${name})`, tensors, shapes);
  const folded: Record<string, NdArray> = { 'fc.weight': transpose(tensors['fc.weight']!, [1, 0]) };
  for (const unit of Object.keys(inceptionUnits)) {
    const { weight, bias } = foldBatchNorm(unit, tensors);
    folded[`${unit}.weight`] = transpose(weight, [2, 3, 1, 0]);
    folded[`${unit}.bias`] = bias;
  }
  return folded;
}

/** gamma (w x - mean) / sqrt(variance + epsilon) + beta as one convolution with a bias. */
function foldBatchNorm(unit: string, tensors: Readonly<Record<string, NdArray>>): { weight: NdArray; bias: NdArray } {
  const weight = tensors[`${unit}.conv.weight`]!;
  const [gamma, beta, mean, variance] = ['weight', 'bias', 'running_mean', 'running_var'].map(
    (part) => tensors[`${unit}.bn.${part}`]!.data,
  ) as [Float32Array, Float32Array, Float32Array, Float32Array];
  const scale = Float64Array.from(gamma, (value, o) => value / Math.sqrt(variance[o]! + BATCH_NORM_EPSILON));
  const each = weight.data.length / scale.length;
  const scaled = new Float32Array(weight.data.length);
  for (let i = 0; i < scaled.length; i++) scaled[i] = weight.data[i]! * scale[Math.floor(i / each)]!;
  const bias = Float32Array.from(beta, (value, o) => value - mean[o]! * scale[o]!);
  return {
    weight: { ...weight, data: scaled },
    bias: float32(bias),
  };
}
