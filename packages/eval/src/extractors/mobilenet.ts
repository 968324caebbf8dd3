/** The extractor included in this package, MobileNetV2 trained on Open Images, and its untrained control. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { uniform } from '@dm/core';
import { transpose } from '@dm/models';
import { type Arrays, float32, type NdArray } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { EvalError } from '../errors.js';
import type { FeatureExtractor } from './feature-extractor.js';
import { mobilenetFeatureMap, mobilenetUnits } from './mobilenet-graph.js';
import { createNetworkExtractor, type ExtractorEngineOptions } from './network-extractor.js';
import { asRgb, resizeBilinear, resizeName, resizePreparation, type ResizeMethod } from './resize.js';
import { checkWeights, readWeights } from './weights-file.js';

export interface MobilenetOptions extends ExtractorEngineOptions {
  /** Default `antialiased`. */
  readonly resize?: ResizeMethod;
}

export interface RandomOptions extends MobilenetOptions {
  /** Seed of the weights. Default 0. */
  readonly seed?: number;
}

const DIMENSIONS = 576;
const FILE = 'mobilenetv2-openimages.safetensors';
const INPUT_SIZE = 96;

/**
 * MobileNetV2 (Open Images v4) with 96x96 input, up to the ReLU6 of expanded_conv_13/expand, globally averaged: 576
 * features in [0, 6]. The layers after it, which localize objects, are omitted. The features are taken after the
 * activation because the original TFLite file has no tensor before it. No logits, no spatial features.
 */
export async function openMobilenetExtractor(options: MobilenetOptions): Promise<FeatureExtractor> {
  const { tensors, sha256 } = await readWeights(assetUrl(FILE));
  return createMobilenetExtractor('mobilenet', memoryWeights(tensors), sha256, options);
}

/**
 * The same network with random weights, a control: differences that its Fréchet distance detects do not require a
 * trained network. Kernels are uniform with variance 2 / fan-in (He et al. 2015, arXiv:1502.01852), biases 0.
 */
export async function openRandomExtractor(options: RandomOptions): Promise<FeatureExtractor> {
  const { seed = 0, ...others } = options;
  const { tensors } = await readWeights(assetUrl(FILE));
  const sum = createHash('sha256');
  const drawn = Object.entries(tensors).map(([name, { shape }], index) => {
    const data = new Float32Array(shape.reduce((product, length) => product * length, 1));
    if (shape.length > 1) {
      const bound = Math.sqrt((6 * shape[0]!) / data.length);
      uniform({ seed, stream: 'init', index }, data.length).forEach((u, i) => (data[i] = bound * (2 * u - 1)));
    }
    sum.update(data);
    return [name, float32(data, shape)] as const;
  });
  return createMobilenetExtractor('random', memoryWeights(Object.fromEntries(drawn)), sum.digest('hex'), others);
}

function createMobilenetExtractor(
  name: string,
  weights: Arrays,
  weightsSha256: string,
  options: MobilenetOptions,
): FeatureExtractor {
  const { resize = 'antialiased', ...engine } = options;
  return createNetworkExtractor(
    {
      name,
      weightsSha256,
      resize: resizeName(resize, INPUT_SIZE),
      dimensions: DIMENSIONS,
      comparable: false,
      hasLogits: false,
      weights,
      ...resizePreparation(resize, INPUT_SIZE),
      apply(params, images) {
        const sized = resizeBilinear(asRgb(images), INPUT_SIZE);
        const map = mobilenetFeatureMap(params, tf.sub(tf.div(sized, 127.5), 1));
        return { features: tf.mean(map, [1, 2]) };
      },
    },
    engine,
  );
}

/** Converts PyTorch's layout: OIHW to HWIO, for depthwise filters [C, 1, kh, kw] to [kh, kw, C, 1]. */
function memoryWeights(tensors: Readonly<Record<string, NdArray>>): Arrays {
  const names = Object.keys(mobilenetUnits).flatMap((unit) => [`${unit}.weight`, `${unit}.bias`]);
  checkWeights('MobileNetV2', tensors, Object.fromEntries(names.map((name) => [name, tensors[name]?.shape ?? []])));
  const converted = Object.entries(mobilenetUnits).flatMap(([unit, { depthwise }]) => [
    [`${unit}.weight`, transpose(tensors[`${unit}.weight`]!, depthwise ? [2, 3, 0, 1] : [2, 3, 1, 0])],
    [`${unit}.bias`, tensors[`${unit}.bias`]!],
  ]);
  return Object.fromEntries(converted) as Arrays;
}

/** A file of this package's `assets` folder, relative to the sources (src/extractors) or the build (dist). */
function assetUrl(file: string): URL {
  const places = ['../assets/', '../../assets/'].map((folder) => new URL(folder + file, import.meta.url));
  const found = places.find((place) => existsSync(place));
  if (found === undefined)
    throw new EvalError('WEIGHTS_NOT_FOUND', `@dm/eval: assets/${file} is missing; reinstall the package.`);
  return found;
}
