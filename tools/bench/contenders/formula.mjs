/**
 * Weights and inputs from a closed formula in integer arithmetic, so that they are bit-identical for every contender.
 * formula.py implements the same formula, and so does `@dm/models/testing`, which plain Node cannot import;
 * contenders.test.ts compares the two.
 */
import { bufferLayout, fromTorch, parameterLayout, torchShape } from '@dm/models';
import { float32 } from '@dm/ops';

/**
 * Element i of the array `name`, in [-1, 1): 24 bits of an integer hash of both (FNV-1a of the name, then the finalizer
 * `lowbias32` of https://github.com/skeeto/hash-prospector).
 *
 * @param {string} name
 * @param {number} size
 */
function hashed(name, size) {
  let seed = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) seed = Math.imul(seed ^ byte, 0x01000193);
  const values = new Float64Array(size);
  for (let i = 0; i < size; i++) {
    let h = (seed + Math.imul(i, 0x9e3779b9)) | 0;
    h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
    h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
    values[i] = ((h ^ (h >>> 16)) >>> 8) * 2 ** -23 - 1;
  }
  return values;
}

/**
 * A parameter in PyTorch's layout: variance 1 / fan_in for matrices, convolution kernels, and embedding tables; near 1
 * for the scales of norms; small for biases.
 *
 * @param {string} name
 * @param {readonly number[]} shape
 */
function weight(name, shape) {
  const bound = Math.sqrt(3 / shape.slice(1).reduce((product, d) => product * d, 1));
  const isScale = name.endsWith('weight');
  return filled(name, shape, (u) => (shape.length !== 1 ? bound * u : isScale ? 1 + 0.2 * u : 0.1 * u));
}

/**
 * The array `name` of the closed formula, with `map` applied to each element.
 *
 * @param {string} name
 * @param {readonly number[]} shape
 * @param {(u: number) => number} map A function on [-1, 1).
 */
function filled(name, shape, map) {
  const all = hashed(
    name,
    shape.reduce((product, d) => product * d, 1),
  );
  // `Float32Array.from(all, map)` takes 20 times as long.
  const values = new Float32Array(all.length);
  for (let i = 0; i < values.length; i++) values[i] = map(all[i]);
  return float32(values, shape);
}

/**
 * The model's weights: `params` [P], flat, from the formula, and `buffers` [Q], flat, the model's constant tables.
 *
 * @param {import('@dm/models').Model} model
 */
export function formulaWeights(model) {
  const layout = parameterLayout(model);
  const params = new Float32Array(layout.size);
  // One tensor at a time: converting all at once would raise the process's peak memory.
  for (const { name, offset } of layout.entries) {
    const array = weight(name, torchShape(model.specs[name]));
    params.set(fromTorch(model, { [name]: array })[name].data, offset);
  }
  const fixed = bufferLayout(model);
  const buffers = new Float32Array(fixed.size);
  for (const { name, offset } of fixed.entries) {
    const { init } = model.specs[name];
    if (init.kind !== 'constant') throw new Error(`the buffer ${name} is not a constant table`);
    buffers.set(init.values, offset);
  }
  return { params, buffers };
}

/**
 * Images and noise [N, H, W, C], timesteps [N], and labels [N] of a batch.
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
