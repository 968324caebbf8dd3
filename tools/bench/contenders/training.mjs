/** The training step as one program: forward pass, MSE, backward pass, gradient norm, AdamW, and EMA. */
import { modelClasses, parameterLayout, bufferLayout } from '@dm/models';
import { autocast, float32, scalar, splitFlat } from '@dm/ops';
import { adamW, fixedEma, gradientNorm } from '@dm/optim';
import * as tf from '@tensorflow/tfjs-core';
import { formulaBatch, formulaWeights } from './formula.mjs';

/** @typedef {import('@dm/ops').Arrays} Arrays */

/**
 * @param {Pick<import('../cases.mjs').Case, 'model' | 'config' | 'batch'>} benchCase
 * @param {typeof import('../cases.mjs').optimizer} settings
 * @param {import('@dm/ops').Precision} [precision] Of the model's products and convolutions. The loss is not scaled.
 */
export function trainingOf({ model: className, config, batch }, settings, precision = 'f32') {
  const model = modelClasses[className](/** @type {never} */ (config));
  const layout = parameterLayout(model);
  const fixed = bufferLayout(model);
  const { emaDecay, ...adam } = settings;
  const optimizer = adamW(adam);
  const ema = fixedEma(emaDecay);

  /** @type {import('@dm/ops').Program} */
  const program = (state, inputs) => {
    /** @param {tf.Tensor} params */
    const lossOf = (params) => {
      const named = { ...splitFlat(params, layout), ...(fixed.size > 0 && splitFlat(state.buffers, fixed)) };
      const predicted = model.apply(named, inputs.images, inputs.t, model.numClasses > 0 ? { cond: inputs.cond } : {});
      return tf.mean(tf.squaredDifference(predicted, inputs.noise));
    };
    const { value: loss, grad } = tf.valueAndGrad((params) => autocast(precision, () => lossOf(params)))(state.params);
    const next = optimizer.update(state.params, grad, state, inputs);
    return {
      state: { params: next.params, ...next.slots, ema: ema.update(state.ema, next.params, inputs) },
      outputs: { loss, gradNorm: gradientNorm(grad) },
    };
  };

  return {
    model,
    layout,
    program,
    /** @returns {Arrays} The initial state. */
    state() {
      const { params, buffers } = formulaWeights(model);
      const zeros = float32(new Float32Array(layout.size)); // engines copy what they load
      return {
        params: float32(params),
        ema: float32(params),
        ...Object.fromEntries(optimizer.slots.map((name) => [name, zeros])),
        ...(fixed.size > 0 && { buffers: float32(buffers) }),
      };
    },
    /** @param {number} step @returns {Arrays} Batch number `step`. */
    batch(step) {
      const { images, noise, t, labels } = formulaBatch(model, batch, step);
      const cond = new Float32Array(batch * model.condDim);
      labels.forEach((label, i) => (cond[i * model.condDim + label] = 1));
      return {
        images,
        noise,
        t: float32(t),
        ...(model.numClasses > 0 && { cond: float32(cond, [batch, model.condDim]) }),
      };
    },
    /** @param {number} step @returns {Arrays} The scalars of the optimizer and EMA at optimizer step `step`, from 0. */
    scalars: (step) =>
      Object.fromEntries(
        Object.entries({ ...optimizer.scalars(step), ...ema.scalars(step) }) //
          .map(([name, value]) => [name, scalar(value)]),
      ),
  };
}
