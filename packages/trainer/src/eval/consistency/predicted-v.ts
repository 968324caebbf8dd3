/** The v that a model predicts for given noisy images. */
import { addNoise, conversion, inputScale } from '@dm/core';
import { namedParameters } from '@dm/models';
import { type Arrays, type Engine, float32, type NdArray, type Program } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { readWeights } from '../../checkpoint/pack-state.js';
import { runOrCheckpoint } from '../../checkpoint/resolve.js';
import {
  readSelectedCheckpoint,
  samplingConfig,
  type GenerateSamplesOptions,
} from '../../sampling/generate-samples.js';
import { predictionOptions, type Denoiser } from '../../setup/denoiser.js';
import { levelOfLogSnr } from '../../setup/noise-process.js';
import { openDenoiser } from '../../setup/open-denoiser.js';
import { outputParts } from '../../step/denoising-losses.js';
import { paddedBatches, rowsOf } from '../padded-batches.js';
import { mostRows } from '../validation/loss-meter.js';

export interface OpenedModel {
  readonly name: string;
  readonly denoiser: Denoiser;
  /** The EMA weights. */
  readonly weights: Arrays;
}

/** Opens the model of a run or checkpoint. */
export function openModel(
  spec: string,
  options: Pick<GenerateSamplesOptions, 'best' | 'engine' | 'device' | 'threads' | 'onNote'>,
): OpenedModel {
  const asked = { ...options, ...runOrCheckpoint(spec) };
  const checkpoint = readSelectedCheckpoint(asked);
  const denoiser = openDenoiser(samplingConfig(checkpoint, asked));
  return { name: spec, denoiser, weights: readWeights(denoiser, checkpoint, 'ema') };
}

export interface PredictedVOptions {
  /** Most images per model call. Default: 64. */
  readonly rows?: number;
  /** Called after each noise level with the number of levels done. */
  readonly onLevel?: (done: number) => void;
}

/**
 * The v that the model predicts at each log-SNR, as a flat [N, H, W, C] each, whatever it was trained to predict. `inputs`
 * are `images` and `noise`, [N, H, W, C], and `cond`, [N, D], for a conditional model.
 */
export async function predictedV(
  { denoiser, weights }: OpenedModel,
  engine: Engine,
  inputs: Arrays,
  logSnrs: readonly number[],
  { rows = mostRows, onLevel }: PredictedVOptions = {},
): Promise<Float32Array[]> {
  const { config, model } = denoiser;
  const program: Program = (state, values) => {
    const { images, noise, alpha, sigma, scale, t } = values;
    const x = addNoise(images!, noise!, { alpha: alpha!, sigma: sigma! });
    const cond = model.numClasses > 0 ? { cond: values['cond']! } : {};
    const raw = model.apply(namedParameters(denoiser, state['params']!, state), tf.mul(x, scale!), t!, cond);
    return { outputs: { x, output: outputParts(raw, x)[0] } };
  };
  const compiled = engine.compile(program, { name: 'denoiser' });
  const handle = await compiled.load(weights);
  const prediction = config.diffusion.prediction.type;
  const ofPrediction = predictionOptions(config.diffusion);
  const count = inputs['images']!.shape[0]!;
  const size = inputs['images']!.data.length / count;
  try {
    const predicted: Float32Array[] = [];
    for (const logSnr of logSnrs) {
      const level = levelOfLogSnr(denoiser, logSnr);
      const toV = conversion(prediction, 'v', level, ofPrediction);
      const v = new Float32Array(count * size);
      for (const { first, length, indices } of paddedBatches(count, rows)) {
        const each = (value: number) => float32(new Float32Array(indices.length).fill(value));
        const { x, output } = await compiled.run(handle, {
          ...rowsOf(inputs, indices),
          t: each(level.t),
          alpha: each(level.alpha),
          sigma: each(level.sigma),
          scale: float32([inputScale(prediction, level, ofPrediction)], []),
        });
        v.set(combined(toV, x!, output!).subarray(0, length * size), first * size);
      }
      predicted.push(v);
      onLevel?.(predicted.length);
    }
    return predicted;
  } finally {
    handle.dispose();
    await compiled.dispose();
  }
}

/** x · x_t + output · F per pixel; if the output has extra channels (a learned variance), they are ignored. */
function combined(to: { readonly x: number; readonly output: number }, x: NdArray, output: NdArray): Float32Array {
  const [channels, outputChannels] = [x.shape.at(-1)!, output.shape.at(-1)!];
  return (x.data as Float32Array).map((value, i) => {
    const pixel = Math.floor(i / channels);
    return to.x * value + to.output * output.data[pixel * outputChannels + (i % channels)]!;
  });
}
