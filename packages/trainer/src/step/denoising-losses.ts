/** The denoising loss per example, used by the training step, probes and validation. */
import { addNoise, type BoundInputs, learnedVarianceLoss, mseLoss, predictionTarget } from '@dm/core';
import { namedParameters } from '@dm/models';
import { scope, type Tensors } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import type { Denoiser } from '../setup/denoiser.js';

/** The parts of a denoiser that the loss uses. */
export type LossDenoiser = Pick<Denoiser, 'config' | 'model' | 'layout' | 'bufferLayout'>;

/** Converts the network's output to the quantity of the targets, such as epsilon. `x` is the network's input. */
export type ConvertPrediction = (output: tf.Tensor, x: tf.Tensor) => tf.Tensor;

/**
 * The unweighted loss of each example, [B]:
 *
 *   x_t    = alpha x_0 + sigma eps                 Ho et al. 2020, arXiv:2006.11239, Eq. 4; see `noiseLevelInputs`
 *   loss_i = mean_pixels (model(x_t, t) - target)^2
 *
 * If the loss is the error of another quantity than the prediction, times `lossScale`. With a learned variance (2C output
 * channels), plus lambda T L_vlb_i, with the gradient of the mean stopped: L_hybrid, Eq. 16 of Nichol & Dhariwal 2021,
 * arXiv:2102.09672, lambda 0.001 by default.
 *
 * `params` [P] are the trained parameters; `buffers` in `state` are the model's buffers. Inputs: `images` and `noise`
 * [B, H, W, C]; `t`, `alpha`, `sigma`, `targetX0`, `targetNoise`, `lossScale`, `bound.<name>` [B]; `cond` [B, condDim]
 * for a conditional model; `mask.<name>` [B, ...] of each dropout (no dropout if absent).
 */
export function denoisingLosses(
  denoiser: LossDenoiser,
  params: tf.Tensor,
  state: Tensors,
  inputs: Tensors,
  convert?: ConvertPrediction,
): tf.Tensor {
  const { model, config } = denoiser;
  const { images, noise, t, alpha, sigma, targetX0, targetNoise } = inputs;
  const xt = scope('noise', () => addNoise(images!, noise!, { alpha: alpha!, sigma: sigma! }));
  const target = scope('target', () => predictionTarget(images!, noise!, { x0: targetX0!, noise: targetNoise! }));
  const masks = model.dropouts.flatMap(({ name }) => {
    const mask = inputs[`mask.${name}`];
    return mask === undefined ? [] : [[name, mask] as const];
  });
  const named = scope('parameters', () => namedParameters(denoiser, params, state));
  const output = model.apply(named, xt, t!, {
    activationCheckpointing: config.activationCheckpointing,
    ...(model.numClasses > 0 && { cond: inputs['cond']! }),
    masks: Object.fromEntries(masks),
  });
  return scope('loss', () => {
    const [mean, learned] = outputParts(output, images!);
    const error = mseLoss(convert === undefined ? mean : convert(mean, xt), target);
    const scaled = inputs['lossScale'] === undefined ? error : tf.mul(error, inputs['lossScale']);
    if (learned === undefined || inputs['bound.decodes'] === undefined) return scaled;
    const bound = learnedVarianceLoss({ x0: images!, xt, output: mean, variance: learned }, boundOf(inputs));
    const { variance, timesteps } = config.diffusion;
    return tf.add(scaled, tf.mul(bound, (variance?.lambda ?? 0.001) * timesteps));
  });
}

/** The prediction and, if the output has twice the channels of the images, the learned variance. */
export function outputParts(output: tf.Tensor, images: tf.Tensor): [prediction: tf.Tensor, variance?: tf.Tensor] {
  const [channels, given] = [images.shape.at(-1)!, output.shape.at(-1)!];
  return given === 2 * channels ? (tf.split(output, 2, -1) as [tf.Tensor, tf.Tensor]) : [output];
}

function boundOf(inputs: Tensors): BoundInputs<tf.Tensor> {
  const own = Object.entries(inputs).filter(([name]) => name.startsWith('bound.'));
  return Object.fromEntries(
    own.map(([name, tensor]) => [name.slice('bound.'.length), tensor]),
  ) as BoundInputs<tf.Tensor>;
}
