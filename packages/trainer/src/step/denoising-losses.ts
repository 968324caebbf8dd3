/** The denoising loss per example, used by the training step, probes and validation. */
import { addNoise, mseLoss, predictionTarget } from '@dm/core';
import { scope, splitFlat, type Tensors } from '@dm/ops';
import type * as tf from '@tensorflow/tfjs-core';
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
 * `params` [P] are the trained parameters; `buffers` in `state` are the model's buffers. Inputs: `images` and `noise`
 * [B, H, W, C]; `t`, `alpha`, `sigma`, `targetX0`, `targetNoise` [B]; `cond` [B, condDim] for a conditional model;
 * `mask.<name>` [B, ...] of each dropout (no dropout if absent).
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
  return scope('loss', () => mseLoss(convert === undefined ? output : convert(output, xt), target));
}

/** The model's parameters by name, from a flat vector [P] and the buffers in `state`. */
export function namedParameters(
  { layout, bufferLayout }: Pick<Denoiser, 'layout' | 'bufferLayout'>,
  params: tf.Tensor,
  state: Tensors,
): Tensors {
  const trained = splitFlat(params, layout);
  return bufferLayout.size === 0 ? trained : { ...trained, ...splitFlat(state['buffers']!, bufferLayout) };
}
