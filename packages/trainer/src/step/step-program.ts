/** The training step as programs on flat vectors, which an engine compiles. */
import { weightedMean } from '@dm/core';
import { autocast, scope, type Program, type Tensors } from '@dm/ops';
import { clipByGlobalNorm, gradientNorm } from '@dm/optim';
import * as tf from '@tensorflow/tfjs-core';
import { denoisingLosses } from './denoising-losses.js';
import { scalesLoss } from './precision.js';
import type { TrainingSetup } from '../setup/training-setup.js';
import { gradientName, trainedEntries, type TrainedEntry } from '../setup/state-table.js';
import { uncertaintyObjective, uncertaintyWeights } from '../setup/uncertainty.js';

/**
 * One optimizer step on a batch, with B examples and P parameters.
 *
 *   loss = mean_i weight_i loss_i                            loss_i of `denoisingLosses`
 *
 * With a learned uncertainty, the objective of `Uncertainty` is minimized instead and the inputs of `uncertaintyInputs` are
 * added; the output `loss` is unchanged.
 *
 * State: `params` [P], the averages and the optimizer's slots [P] each, and `buffers` [Q] if the model has any;
 * `uncertainty` and its moments [C] each. Weights that the model marks as normalized (EDM2) have unit magnitude: each update
 * is followed by their normalization. Averages take the weights before it, as in NVlabs's code, which normalizes them at the
 * beginning of the next step.
 * Inputs: `images` and `noise` float32 [B, H, W, C], images in [-1, 1]; `t`, `alpha`, `sigma`, `targetX0`,
 * `targetNoise`, `weights` float32 [B]; `cond` one-hot [B, classes] for a conditional model; `mask.<name>` [B, ...] of
 * each dropout; the scalars of optimizer and averages. Outputs: `loss`, the weighted mean; `losses` [B], unweighted;
 * `gradNorm` before clipping; `isFinite`, whether loss and gradient are finite, on which committing the new state depends.
 *
 * Products and convolutions of the model and its gradient are computed in `config.precision`. If the loss is scaled, it is
 * differentiated times `gradScale`, a scalar input, and the gradients in the state have that factor; `gradNorm` does not.
 *
 * With gradient accumulation, this is the last of `config.gradientAccumulation` equal micro-batches: the gradient of the
 * others, `gradients` [P] in the state, and their part of the loss, the input `lossBefore`, are added.
 */
export function trainingStep(setup: TrainingSetup): Program {
  return (state, inputs) => {
    const { loss, losses, gradients } = lossAndGradients(setup, state, inputs);
    const whole = setup.config.gradientAccumulation === 1 ? gradients : added(state, gradients);
    const { state: next, outputs } = updateWith(setup, state, whole, loss, inputs);
    return { state: next, outputs: { loss, losses, gradNorm: outputs['gradNorm']!, isFinite: outputs['isFinite']! } };
  };
}

/**
 * The second half of a step of several ranks, after the gradients of all micro-batches and ranks have been summed in the
 * state. Inputs: `loss`, their sum as well, and the scalars of optimizer and averages. Outputs as of `trainingStep`, without
 * `losses`.
 */
export function updateStep(setup: TrainingSetup): Program {
  return (state, inputs) => updateWith(setup, state, state, inputs['loss']!, inputs);
}

/** Clips `gradients` and updates the trained entries and their averages. */
function updateWith(
  setup: TrainingSetup,
  state: Tensors,
  gradients: Tensors,
  loss: tf.Tensor,
  inputs: Tensors,
): { readonly state: Tensors; readonly outputs: Tensors } {
  const unscaled = unscaledGradients(setup, gradients, inputs);
  const clipped = trainedEntries(setup).map((entry) => ({ entry, ...clippedGradient(entry, unscaled) }));
  const [model, ...heads] = clipped.map(({ entry, grads }) => updated(entry, grads, state, inputs));
  const averaged = setup.averages.map(
    ({ name, update }) => [name, update(state[name]!, model!['params']!, model!, inputs)] as const,
  );
  return {
    state: Object.assign({}, model, normalizedParams(setup, model!), Object.fromEntries(averaged), ...heads) as Tensors,
    outputs: {
      loss,
      gradNorm: clipped[0]!.norm,
      isFinite: tf.isFinite(clipped.reduce((sum, { norm }) => tf.add(sum, norm), loss)),
    },
  };
}

/** The gradients of the loss itself. A learned uncertainty's is computed in float32, and is not scaled. */
function unscaledGradients({ config }: TrainingSetup, gradients: Tensors, inputs: Tensors): Tensors {
  if (!scalesLoss(config)) return gradients;
  const { gradients: scaled } = gradients;
  return { ...gradients, gradients: scope('unscale', () => tf.div(scaled!, inputs['gradScale']!)) };
}

/** The updated parameters with forced weight normalization, if the model has it. */
function normalizedParams({ model, layout }: TrainingSetup, updatedState: Tensors): Tensors {
  const { normalization } = model;
  if (normalization === undefined) return {};
  return { params: scope('normalize weights', () => normalization.inProgram(updatedState['params']!, layout)) };
}

/** The clipped gradient of an entry, and its norm before clipping. */
function clippedGradient(
  { prefix, maxGradNorm }: TrainedEntry,
  gradients: Tensors,
): { readonly grads: tf.Tensor; readonly norm: tf.Tensor } {
  const grads = gradients[gradientName(prefix)]!;
  return scope('clip', () =>
    maxGradNorm === null ? { grads, norm: gradientNorm(grads) } : clipByGlobalNorm(grads, maxGradNorm),
  );
}

/** One optimizer step of an entry: returns the entry and its slots by their names in the state. */
function updated(
  { name, prefix, optimizer }: TrainedEntry,
  grads: tf.Tensor,
  state: Tensors,
  inputs: Tensors,
): Tensors {
  const slots = Object.fromEntries(optimizer.slots.map((slot) => [slot, state[prefix + slot]!]));
  const next = scope('optimizer', () => optimizer.update(state[name]!, grads, slots, scalarsOf(prefix, inputs)));
  return {
    [name]: next.params,
    ...Object.fromEntries(Object.entries(next.slots).map(([slot, value]) => [prefix + slot, value])),
  };
}

/** The inputs with this prefix, by their names without it. */
function scalarsOf(prefix: string, inputs: Tensors): Tensors {
  const own = Object.entries(inputs).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(own.map(([name, tensor]) => [name.slice(prefix.length), tensor]));
}

/**
 * The step for all micro-batches except the last (and, with several ranks, for all): writes the gradient to `gradients`
 * [P] of the state (`start`) or adds it (`add`). Inputs as for `trainingStep`; outputs are `loss`, the accumulated part
 * of the loss up to this micro-batch, and its `losses`.
 */
export function accumulationStep(setup: TrainingSetup, kind: 'start' | 'add'): Program {
  return (state, inputs) => {
    const { loss, losses, gradients } = lossAndGradients(setup, state, inputs);
    return { state: kind === 'start' ? gradients : added(state, gradients), outputs: { loss, losses } };
  };
}

/** The sums of gradients and those in the state, by their names in the state. */
function added(state: Tensors, gradients: Tensors): Tensors {
  return scope('accumulate', () =>
    Object.fromEntries(Object.entries(gradients).map(([name, gradient]) => [name, tf.add(state[name]!, gradient)])),
  );
}

/**
 * The gradients, `gradients` [P] and with a learned uncertainty `uncertainty.gradients` [C], are this micro-batch's
 * contribution to those of the full batch: dy_i = weight_i / (parts B), times `gradScale` if the loss is scaled.
 */
function lossAndGradients(
  setup: TrainingSetup,
  state: Tensors,
  inputs: Tensors,
): { readonly loss: tf.Tensor; readonly losses: tf.Tensor; readonly gradients: Tensors } {
  const { config, uncertainty, group } = setup;
  const { images, weights } = inputs;
  const parts = config.gradientAccumulation * group.size;
  const count = images!.shape[0] * parts;
  // Per-example losses are outputs too, so differentiate the vector: the gradient of its weighted mean is the
  // vector-Jacobian product with dy_i = weight_i / B.
  const lossesOf = (params: tf.Tensor): tf.Tensor =>
    autocast(config.precision, () => denoisingLosses(setup, params, state, inputs));
  // The objective is linear in the losses, so a learned uncertainty only changes the weights of the examples.
  const counted = uncertainty
    ? scope('uncertainty', () => uncertaintyWeights(state['uncertainty']!, inputs))
    : weights!;
  const share = tf.div(counted, count);
  const dy = scalesLoss(config) ? tf.mul(share, inputs['gradScale']!) : share;
  const { value: losses, grad } = tf.valueAndGrad(lossesOf)(state['params']!, dy);
  const gradients: Tensors = {
    gradients: grad,
    ...(uncertainty && {
      'uncertainty.gradients': scope('uncertainty', () => uncertaintyGradient(losses, state, inputs, count)),
    }),
  };
  const mean = weightedMean(losses, weights!);
  const loss = parts === 1 ? mean : tf.add(inputs['lossBefore']!, tf.div(mean, parts));
  return { loss, losses, gradients };
}

/** The gradient of the mean objective with respect to the head's weight, [C]; the losses do not depend on it. */
function uncertaintyGradient(losses: tf.Tensor, state: Tensors, inputs: Tensors, count: number): tf.Tensor {
  const objective = (head: tf.Tensor) => tf.div(tf.sum(uncertaintyObjective(losses, head, inputs)), count);
  return tf.grad(objective)(state['uncertainty']!);
}
