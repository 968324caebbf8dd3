/** The extractor that comes with this package: MobileNetV2 trained on Open Images. */
import { existsSync } from 'node:fs';
import { transpose } from '@dm/models';
import type { Arrays, NdArray } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import type { FeatureExtractor } from '../feature-extractor.js';
import { mobilenetMap, mobilenetUnits } from './mobilenet-graph.js';
import { networkExtractor, type ExtractorEngineOptions } from './network-extractor.js';
import { asRgb, resizeAntialiased, resizeBilinear, resizeName, type ResizeMethod } from './resize.js';
import { checkWeights, readWeights } from './weights-file.js';

export interface MobilenetOptions extends ExtractorEngineOptions {
  /** Default `antialiased`. */
  readonly resize?: ResizeMethod;
}

const FILE = 'mobilenetv2-openimages.safetensors';
const INPUT_SIZE = 96;

/**
 * MobileNetV2 (Open Images v4) from its input of 96x96 to the ReLU6 of expanded_conv_13/expand, averaged over places: 576
 * features from 0 to 6. What is cut off is for the places of objects. The activation is taken, not what goes into it,
 * since that is what the network itself reads there and a file of TFLite has no other. No logits, no spatial features.
 */
export async function mobilenetExtractor(options: MobilenetOptions): Promise<FeatureExtractor> {
  const { resize = 'antialiased', ...engine } = options;
  const { tensors, sha256 } = await readWeights(assetUrl(FILE));
  const dimensions = 576;
  return networkExtractor(
    {
      name: 'mobilenet',
      weightsSha256: sha256,
      resize: resizeName(resize, INPUT_SIZE),
      dimensions,
      comparable: false,
      hasLogits: false,
      weights: memoryWeights(tensors),
      ...(resize === 'antialiased' && { prepare: (images) => resizeAntialiased(images, INPUT_SIZE) }),
      apply(weights, images) {
        const sized = resizeBilinear(asRgb(images), INPUT_SIZE);
        const map = mobilenetMap(weights, tf.sub(tf.div(sized, 127.5), 1));
        return { features: tf.mean(map, [1, 2]) };
      },
    },
    engine,
  );
}

/** PyTorch's layout to memory's: OIHW to HWIO, for depthwise filters [C, 1, kh, kw] to [kh, kw, C, 1]. */
function memoryWeights(tensors: Readonly<Record<string, NdArray>>): Arrays {
  const names = Object.keys(mobilenetUnits).flatMap((unit) => [`${unit}.weight`, `${unit}.bias`]);
  checkWeights('MobileNetV2', tensors, Object.fromEntries(names.map((name) => [name, tensors[name]?.shape ?? []])));
  const converted = Object.entries(mobilenetUnits).flatMap(([unit, { depthwise }]) => [
    [`${unit}.weight`, transpose(tensors[`${unit}.weight`]!, depthwise ? [2, 3, 0, 1] : [2, 3, 1, 0])],
    [`${unit}.bias`, tensors[`${unit}.bias`]!],
  ]);
  return Object.fromEntries(converted) as Arrays;
}

/** A file of this package's folder `assets`, seen from the sources (src/extractors) and from the build (dist). */
function assetUrl(file: string): URL {
  const places = ['../assets/', '../../assets/'].map((folder) => new URL(folder + file, import.meta.url));
  const found = places.find((place) => existsSync(place));
  if (found === undefined) throw new Error(`@dm/eval lacks its file assets/${file}; install the package again.`);
  return found;
}
