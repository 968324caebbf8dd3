import { exportOnnx } from '@dm/jit';
import { fromTorchTensors, type Model } from '@dm/models';
import type { Arrays, Program } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';

export interface DenoiserOnnxOptions {
  /** What the file says of itself to people. */
  readonly description?: string;
  /** What it says to programs: `metadata_props`, by name. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * A denoiser as an .onnx file of standard operators, for batches of any size. Inputs and output are those that diffusers
 * has: `sample` float32 [batch, C, H, W], `timestep` float32 [batch], for a model with classes `class_labels` int64
 * [batch] (the null class, where there is one, is the last), and `out_sample` float32 [batch, outChannels, H, W]. The
 * weights keep their names and PyTorch's layout, in which they are given. A label that is not a class is an error of the
 * runtime; as everywhere in ONNX, -1 is the last class.
 * @throws {Error} if weights are missing, and a RangeError where the file would reach 2 GiB
 */
export function denoiserOnnx(model: Model, weights: Arrays, options: DenoiserOnnxOptions = {}): Uint8Array {
  const missing = Object.keys(model.specs).filter((name) => !Object.hasOwn(weights, name));
  if (missing.length > 0) throw new Error(`${model.kind}: weights are missing: ${missing.join(', ')}`);
  const [height, width, channels] = model.inputShape;
  return exportOnnx(denoiserProgram(model), {
    ...options,
    name: model.kind,
    weights,
    inputs: {
      sample: { dtype: 'float32', shape: ['batch', channels, height, width] },
      timestep: { dtype: 'float32', shape: ['batch'] },
      ...(model.condDim > 0 && { class_labels: { dtype: 'int64', shape: ['batch'] } }),
    },
  });
}

function denoiserProgram(model: Model): Program {
  return (weights, { sample, timestep, class_labels }) => {
    const x = tf.transpose(sample!, [0, 2, 3, 1]);
    const cond = class_labels && oneHot(class_labels, model.condDim);
    const y = model.apply(fromTorchTensors(model, weights), x, timestep!, cond === undefined ? {} : { cond });
    return { outputs: { out_sample: tf.transpose(y, [0, 3, 1, 2]) } };
  };
}

/** Labels are looked up in a list of the classes first: one-hot alone would make zeros of a label that is none. */
function oneHot(labels: tf.Tensor, classes: number): tf.Tensor {
  return tf.oneHot(tf.gather(tf.range(0, classes, 1, 'int32'), labels), classes, 1, 0, 'float32');
}
