/** Weights and inputs by one closed formula in integers, so that every contender has the same bits. formula.py has the same. */
import { bufferLayout, caseWeight, fromTorch, hashed, parameterLayout, torchShape } from '@dm/models';

/**
 * The array `name` of the closed formula, put through `map`.
 *
 * @param {string} name
 * @param {readonly number[]} shape
 * @param {(u: number) => number} map of [-1, 1)
 */
function filled(name, shape, map) {
  const size = shape.reduce((product, d) => product * d, 1);
  return { dtype: /** @type {const} */ ('float32'), shape, data: Float32Array.from(hashed(name, size), map) };
}

/**
 * The model's weights: `params` flat [P], and `buffers` flat [Q], which are the model's own fixed tables.
 *
 * @param {import('@dm/models').Model} model
 */
export function formulaWeights(model) {
  const layout = parameterLayout(model);
  const params = new Float32Array(layout.size);
  // One tensor at a time: all of them in both layouts would be in the process's peak memory.
  for (const { name, offset } of layout.entries) {
    const array = caseWeight(name, torchShape(model.specs[name]));
    params.set(fromTorch(model, { [name]: array })[name].data, offset);
  }
  const fixed = bufferLayout(model);
  const buffers = new Float32Array(fixed.size);
  for (const { name, offset } of fixed.entries) {
    const { init } = model.specs[name];
    if (init.kind !== 'constant') throw new Error(`the buffer ${name} is no fixed table`);
    buffers.set(init.values, offset);
  }
  return { params, buffers };
}

/**
 * Images, noise, timesteps and labels of a batch. Arrays are NHWC.
 *
 * @param {import('@dm/models').Model} model
 * @param {number} batch
 * @param {number} step
 */
export function formulaBatch(model, batch, step) {
  const shape = [batch, ...model.inputShape];
  const rows = Array.from({ length: batch }, (_, i) => i);
  return {
    images: filled(`images ${step}`, shape, (u) => 1.5 * u),
    noise: filled(`noise ${step}`, shape, (u) => Math.sqrt(3) * u),
    t: Float32Array.from(rows, (i) => (37 + 61 * i + 17 * step) % 1000),
    labels: rows.map((i) => (i + step) % Math.max(1, model.numClasses)),
  };
}
