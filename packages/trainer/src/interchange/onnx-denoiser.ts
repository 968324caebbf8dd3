import { exportOnnx } from '@dm/jit';
import { fromTorchTensors, type Model } from '@dm/models';
import type { Arrays, Program } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';

export interface DenoiserOnnxOptions {
  /** Human-readable description, stored in the file. */
  readonly description?: string;
  /** Metadata for programs (`metadata_props`), by name. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * A denoiser as an .onnx file of standard operators with a dynamic batch size. Inputs and output are named as in
 * diffusers: `sample` float32 [batch, C, H, W], `timestep` float32 [batch], for a class-conditional model `class_labels`
 * int64 [batch] (the null class, if any, is the last), and `out_sample` float32 [batch, outChannels, H, W]. The weights
 * keep their names and PyTorch's layout, in which they must be given. An invalid label raises an error in the runtime; as
 * everywhere in ONNX, -1 is the last class.
 *
 * @throws {Error} if weights are missing
 * @throws {RangeError} if the file would reach 2 GiB
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

/**
 * One-hot labels, looked up in a list of classes first: comparing alone would turn an invalid label into zeros. Not
 * `tf.oneHot`, which takes at least two classes.
 */
function oneHot(labels: tf.Tensor, classes: number): tf.Tensor {
  const all = tf.range(0, classes, 1, 'int32');
  return tf.cast(tf.equal(tf.expandDims(tf.gather(all, labels), 1), all), 'float32');
}
