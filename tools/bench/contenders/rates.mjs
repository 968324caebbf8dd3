// Measures the best rates of products and of a copy on the engine `onnx`. Reads { threads, seconds } from standard
// input; prints a line of JSON: { products: { name: GFLOP/s }, copies: { MiB: GB/s } }, each from the fastest call.
import { readFileSync } from 'node:fs';
import { openOnnxEngine } from '@dm/jit';
import { conv2d } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';

const { threads, seconds } = JSON.parse(readFileSync(0, 'utf8'));
const engine = await openOnnxEngine({ threads });

/** Seconds of the fastest call. @param {import('@dm/ops').Program} program @param {Record<string, number[]>} shapes */
async function fastest(program, shapes) {
  const compiled = engine.compile(program, { name: 'rate' });
  const state = await compiled.load({});
  const inputs = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => {
      const data = Float32Array.from({ length: shape.reduce((n, d) => n * d, 1) }, (_, i) => ((i * 7919) % 257) / 257);
      return [name, /** @type {const} */ ({ dtype: 'float32', shape, data })];
    }),
  );
  let best = Infinity;
  for (const end = performance.now() + 1000 * seconds; performance.now() < end;) {
    const start = performance.now();
    await compiled.run(state, inputs);
    best = Math.min(best, performance.now() - start);
  }
  state.dispose();
  return best / 1000;
}

/** Several products after each other, so that copying inputs and outputs takes a small part of the call. */
const repeats = 8;

/** @param {number} n */
async function matMul(n) {
  const time = await fastest(
    (_, { a, b }) => {
      let y = a;
      for (let i = 0; i < repeats; i++) y = tf.matMul(y, b);
      return { outputs: { y: tf.mean(y) } };
    },
    { a: [n, n], b: [n, n] },
  );
  return (repeats * 2 * n ** 3) / time / 1e9;
}

/** @param {number} images @param {number} side @param {number} channels */
async function conv(images, side, channels) {
  const time = await fastest(
    (_, { x, filter }) => {
      let y = x;
      for (let i = 0; i < repeats; i++) y = conv2d(y, filter);
      return { outputs: { y: tf.mean(y) } };
    },
    { x: [images, side, side, channels], filter: [3, 3, channels, channels] },
  );
  return (repeats * 2 * images * side ** 2 * 9 * channels ** 2) / time / 1e9;
}

/** Reads and writes `mb` MiB, `repeats` times. @param {number} mb */
async function copy(mb) {
  const time = await fastest(
    (_, { x }) => {
      let y = x;
      for (let i = 0; i < repeats; i++) y = tf.neg(tf.relu(y));
      return { outputs: { y: tf.max(y) } };
    },
    { x: [(mb * 2 ** 20) / 4] },
  );
  return (2 * repeats * 2 * mb * 2 ** 20) / time / 1e9;
}

const products = {
  'matmul 1024': await matMul(1024),
  'matmul 2048': await matMul(2048),
  'conv 128 channels, 16x16, batch 16': await conv(16, 16, 128),
  'conv 64 channels, 32x32, batch 16': await conv(16, 32, 64),
};
/** @type {Record<string, number>} */
const copies = {};
for (const mb of [1, 4, 16, 64]) copies[mb] = await copy(mb);
console.log(JSON.stringify({ products, copies }));
await engine.dispose();
