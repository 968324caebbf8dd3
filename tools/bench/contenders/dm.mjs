// Times our training step: forward, MSE, backward, AdamW, on the onnx engine.
// Reads one JSON object on standard input, { case, optimizer, threads, warmup, steps }; prints one JSON line
// { ms, parameters, peakMb, compileMs, versions }.
import { readFileSync } from 'node:fs';
import { normal } from '@dm/core';
import { onnxEngine } from '@dm/jit';
import { initialiseFlat, parameterLayout, unet2d } from '@dm/models';
import { splitFlat } from '@dm/ops';
import { adamW } from '@dm/optim';
import * as tf from '@tensorflow/tfjs-core';

const request = JSON.parse(readFileSync(0, 'utf8'));
const { model: config, batch } = request.case;
const model = unet2d(config);
const layout = parameterLayout(model);
const optimizer = adamW(request.optimizer);

/** @type {import('@dm/ops').Program} */
const program = (state, inputs) => {
  /** @param {tf.Tensor} params */
  const lossOf = (params) => {
    const predicted = model.apply(splitFlat(params, layout), inputs.images, inputs.t);
    return tf.mean(tf.squaredDifference(predicted, inputs.noise));
  };
  const { value: loss, grad } = tf.valueAndGrad(lossOf)(state.params);
  const next = optimizer.update(state.params, grad, state, inputs);
  return { state: { params: next.params, ...next.slots }, outputs: { loss } };
};

/**
 * @param {readonly number[]} shape
 * @param {Float32Array} data
 * @returns {import('@dm/ops').NdArray}
 */
const float32 = (shape, data) => ({ dtype: 'float32', shape, data });
const [height, width, channels] = model.inputShape;
const images = [batch, height, width, channels];
/** @param {number} step */
const noise = (step) =>
  float32(images, normal({ seed: 0, stream: 'noise', step, index: 0 }, batch * height * width * channels));
const inputs = {
  images: noise(0),
  noise: noise(1),
  t: float32(
    [batch],
    Float32Array.from({ length: batch }, (_, i) => i),
  ),
};

const engine = await onnxEngine({ threads: request.threads });
const step = engine.compile(program, { name: 'training step' });
const zeros = () => float32([layout.size], new Float32Array(layout.size));
const state = await step.load({
  params: float32([layout.size], initialiseFlat(model, 0).params),
  ...Object.fromEntries(optimizer.slots.map((slot) => [slot, zeros()])),
});

/** @param {number} i */
async function timed(i) {
  const scalars = Object.fromEntries(
    Object.entries(optimizer.scalars(i)).map(([name, value]) => [name, float32([], Float32Array.of(value))]),
  );
  const start = performance.now();
  await step.run(state, { ...inputs, ...scalars });
  return performance.now() - start;
}

const compileMs = await timed(0);
for (let i = 0; i < request.warmup; i++) await timed(i);
const ms = [];
for (let i = 0; i < request.steps; i++) ms.push(await timed(i));
console.log(
  JSON.stringify({
    ms,
    compileMs,
    parameters: layout.size,
    peakMb: process.resourceUsage().maxRSS / 1024,
    versions: { node: process.version, ...engine.info },
  }),
);
