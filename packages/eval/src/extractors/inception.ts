/** InceptionV3 with the weights of FID, from a file that the user has. */
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
  /** safetensors file of the network, by torchvision's names, as tools/extractors/inception_weights.py writes it. */
  readonly weights: string;
  /** Which features, by their number; default 2048, those of FID. Maps are averaged over places, as pytorch-fid does. */
  readonly tap?: InceptionTap;
  /** Default `bilinear`, which is pytorch-fid's: with another the distance is no FID. */
  readonly resize?: ResizeMethod;
}

const INPUT_SIZE = 299;
const BATCH_NORM_EPSILON = 1e-3;
const CLASSES = 1008;
/** Channels of Mixed_6d's first branch that sFID is taken of. */
const SPATIAL_CHANNELS = 7;
/** Beginning of the SHA-256 of pytorch-fid's file of weights, which is in its name. */
const PUBLIC_WEIGHTS = '6726825d';

export const inceptionHelp =
  "The extractor inception needs FID's own weights, which this library does not ship: get " +
  'pt_inception-2015-12-05-6726825d.pth from the releases of github.com/mseitzer/pytorch-fid (95 MB), turn it into a ' +
  'safetensors file with `python tools/extractors/inception_weights.py <that file> <out.safetensors>` of the dm ' +
  'repository, and name the result with --weights.';

/**
 * InceptionV3 as pytorch-fid runs it. Bytes / 255, bilinear to 299x299, then to [-1, 1].
 *
 * Logits are those without the bias of the last layer, as the Inception Score's own code takes them (Salimans et al. 2016,
 * arXiv:1606.03498). Spatial features are the first 7 channels of Mixed_6d's first branch, 17 x 17 x 7 = 2023 (Nash et
 * al. 2021, arXiv:2103.03841). `comparable` only for 2048 features, bilinear, from weights that were converted from the
 * public file.
 *
 * Throws an EvalError that says how to get the weights where the file is missing, and lists what does not fit in it.
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

/** Whether the features are those that papers take: 2048, bilinear, weights converted from pytorch-fid's public file. */
export function isPublishedForm({
  metadata,
  tap,
  resize,
}: Required<Pick<InceptionOptions, 'tap' | 'resize'>> & { metadata: Readonly<Record<string, string>> }): boolean {
  const isPublic = (metadata['source_sha256'] ?? '').startsWith(PUBLIC_WEIGHTS);
  return isPublic && tap === 2048 && resize === 'bilinear';
}

/** A file's tensors → what the graph takes: batch norms folded into the convolutions, in memory's layout. */
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
