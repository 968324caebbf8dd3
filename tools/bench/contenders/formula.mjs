/** Weights and inputs by one closed formula in integers, so that every contender has the same bits. formula.py has the same. */
import { bufferLayout, fromTorch, parameterLayout, torchShape } from '@dm/models';

/**
 * Element i of the array `name`, in [-1, 1): 24 bits of an integer hash of both (FNV-1a of the name, then the finalizer
 * of Ettinger's `lowbias32`), put through `map`.
 *
 * @param {string} name
 * @param {readonly number[]} shape
 * @param {(u: number) => number} map
 */
export function hashed(name, shape, map) {
  let seed = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) seed = Math.imul(seed ^ byte, 0x01000193);
  const data = new Float32Array(sizeOf(shape));
  for (let i = 0; i < data.length; i++) {
    let h = (seed + Math.imul(i, 0x9e3779b9)) | 0;
    h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
    h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
    data[i] = map(((h ^ (h >>> 16)) >>> 8) * 2 ** -23 - 1);
  }
  return { dtype: /** @type {const} */ ('float32'), shape, data };
}

/** @param {readonly number[]} shape */
const sizeOf = (shape) => shape.reduce((product, d) => product * d, 1);

/**
 * The formula's range by what a parameter is, from its name and its shape in PyTorch: variance 1 / fan-in for matrices
 * and kernels, near 1 for the scales of norms, small for biases. Nothing is zero, so every block has a gradient.
 *
 * @param {string} name
 * @param {readonly number[]} shape
 * @returns {(u: number) => number}
 */
function range(name, shape) {
  if (shape.length === 1) return name.endsWith('weight') ? (u) => 1 + 0.2 * u : (u) => 0.1 * u;
  const bound = Math.sqrt(3 / sizeOf(shape.slice(1)));
  return (u) => bound * u;
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
    const shape = torchShape(model.specs[name]);
    const array = hashed(name, shape, range(name, shape));
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
    images: hashed(`images ${step}`, shape, (u) => 1.5 * u),
    noise: hashed(`noise ${step}`, shape, (u) => Math.sqrt(3) * u),
    t: Float32Array.from(rows, (i) => (37 + 61 * i + 17 * step) % 1000),
    labels: rows.map((i) => (i + step) % Math.max(1, model.numClasses)),
  };
}
