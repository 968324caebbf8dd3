/** The training step as programs over flat vectors: what an engine compiles. */
import { weightedMean } from '@dm/core';
import { scope, type Program, type Tensors } from '@dm/ops';
import { clipByGlobalNorm, gradientNorm } from '@dm/optim';
import * as tf from '@tensorflow/tfjs-core';
import { denoisingLosses } from './denoising-losses.js';
import type { TrainingSetup } from '../setup/training-setup.js';
import { scaledWeights, uncertaintyGradient, updateUncertainty } from '../setup/uncertainty.js';

/**
 * One optimizer step on a batch, with B examples and P parameters.
 *
 *   loss = mean_i weight_i loss_i                            loss_i of `denoisingLosses`
 *
 * With a learned uncertainty that of `Uncertainty` is minimized in its place, and there are the inputs of
 * `uncertaintyInputs` besides; the output `loss` is this one all the same.
 *
 * State: `params` [P], the averages and the optimizer's slots [P] each, and `buffers` [Q] where the model has any;
 * `uncertainty` and its moments [C] each.
 * Inputs: `images` and `noise` float32 [B, H, W, C], images in [-1, 1]; `t`, `alpha`, `sigma`, `targetX0`,
 * `targetNoise`, `weights` float32 [B]; `cond` one-hot [B, classes] for a conditional model; `mask.<name>` [B, ...] of
 * each dropout; the scalars of optimizer and averages. Outputs: `loss`, the weighted mean; `losses` [B], unweighted;
 * `gradNorm` before clipping; `isFinite`, whether loss and gradient are numbers: the run is to count only then.
 *
 * With gradient accumulation the batch is the last of `config.gradientAccumulation` equal parts of one: the gradient of the others,
 * `gradients` [P] in the state, and their share of the loss, the input `lossBefore`, are added to those of this one.
 */
export function trainingStep(setup: TrainingSetup): Program {
  const { optimizer, averages, config, uncertainty } = setup;
  const { maxGradNorm } = config.optimizer;
  return (state, inputs) => {
    const { loss, losses, gradients } = lossAndGradients(setup, state, inputs);
    const whole = config.gradientAccumulation === 1 ? gradients : added(state, gradients);
    const clipped = (name: string) =>
      scope('clip', () => {
        const grads = whole[name]!;
        return maxGradNorm === null ? { grads, norm: gradientNorm(grads) } : clipByGlobalNorm(grads, maxGradNorm);
      });
    const { grads, norm } = clipped('gradients');
    const head = uncertainty && clipped('uncertainty.gradients');
    const slots = Object.fromEntries(optimizer.slots.map((name) => [name, state[name]!]));
    const next = scope('optimizer', () => optimizer.update(state['params']!, grads, slots, inputs));
    const averaged = averages.map(
      ({ name, update }) => [name, update(state[name]!, next.params, next.slots, inputs)] as const,
    );
    const sum = tf.add(loss, norm);
    return {
      state: {
        params: next.params,
        ...next.slots,
        ...Object.fromEntries(averaged),
        ...(uncertainty && scope('uncertainty', () => updateUncertainty(uncertainty, head!.grads, state, inputs))),
      },
      outputs: { loss, losses, gradNorm: norm, isFinite: tf.isFinite(head ? tf.add(sum, head.norm) : sum) },
    };
  };
}

/**
 * The parts of a batch before the last: their gradient is left in `gradients` [P] of the state, in place of what was
 * there (`start`) or added to it (`add`). Inputs as those of `trainingStep`; outputs `loss`, the share of the parts up to
 * this one, and `losses` of the part.
 */
export function accumulationStep(setup: TrainingSetup, kind: 'start' | 'add'): Program {
  return (state, inputs) => {
    const { loss, losses, gradients } = lossAndGradients(setup, state, inputs);
    return { state: kind === 'start' ? gradients : added(state, gradients), outputs: { loss, losses } };
  };
}

/** Gradients on top of those in the state, by their names there. */
function added(state: Tensors, gradients: Tensors): Tensors {
  return scope('accumulate', () =>
    Object.fromEntries(Object.entries(gradients).map(([name, gradient]) => [name, tf.add(state[name]!, gradient)])),
  );
}

/**
 * The gradients, `gradients` [P] and with a learned uncertainty `uncertainty.gradients` [C], are this part's share of those
 * of the whole batch: dy_i = weight_i / (parts B).
 */
function lossAndGradients(
  setup: TrainingSetup,
  state: Tensors,
  inputs: Tensors,
): { readonly loss: tf.Tensor; readonly losses: tf.Tensor; readonly gradients: Tensors } {
  const { config, uncertainty } = setup;
  const { images, weights } = inputs;
  // Each example's loss is an output too, so the vector is differentiated: the gradient of its weighted mean is that
  // of the vector against dy_i = weight_i / B.
  const lossesOf = (params: tf.Tensor): tf.Tensor => denoisingLosses(setup, params, state, inputs);
  const count = images!.shape[0] * config.gradientAccumulation;
  // u is no function of the model's parameters: it only scales what their gradient counts of each example.
  const scaled = uncertainty ? scope('uncertainty', () => scaledWeights(weights!, state, inputs)) : weights!;
  const dy = tf.div(scaled, count);
  const { value: losses, grad } = tf.valueAndGrad(lossesOf)(state['params']!, dy);
  const mean = weightedMean(losses, weights!);
  const loss =
    config.gradientAccumulation === 1 ? mean : tf.add(inputs['lossBefore']!, tf.div(mean, config.gradientAccumulation));
  const gradients: Tensors = {
    gradients: grad,
    ...(uncertainty && {
      'uncertainty.gradients': scope('uncertainty', () => uncertaintyGradient(scaled, losses, inputs, count)),
    }),
  };
  return { loss, losses, gradients };
}
