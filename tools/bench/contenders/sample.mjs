// Times sampling a batch of images with an `@dm/models` model on one engine. Input and output are as in train.mjs.
// `check` is the mean square of x after the three model evaluations of the warmup: with random weights, rounding errors
// grow by half with each evaluation, so the final images cannot be compared.
import { readFileSync } from 'node:fs';
import { createSampler, ddim, discretePath, linearSchedule } from '@dm/core';
import { float32, splitFlat } from '@dm/ops';
import { openEngine } from './engine.mjs';
import { formulaWeights } from './formula.mjs';
import { cpuSeconds, peakMb, repeat } from './repeat.mjs';
import { trainingOf } from './training.mjs';

const request = JSON.parse(readFileSync(0, 'utf8'));
const { batch, sampling } = request.case;
const training = trainingOf(request.case, request.optimizer);
const { model, layout } = training;
const { engine, counters } = await openEngine(request.engine, request.threads, request.options);
const { numTimesteps, betaStart, betaEnd, steps } = sampling;
const sampler = createSampler({
  engine,
  predict: (state, x, t) => model.apply(splitFlat(state.params, layout), x, t),
  prediction: 'epsilon',
  sampler: ddim(),
  path: discretePath(linearSchedule({ numTimesteps, betaStart, betaEnd }), { steps }),
  shape: model.inputShape,
  clip: 1,
});
const { params } = formulaWeights(model);
// With a handle the weights are copied once, not for each batch.
const state = await engine.compile(() => ({ outputs: {} })).load({ params: float32(params) });
const initialNoise = training.batch(0).noise;

/** Model evaluations of a warmup: enough to compile and to allocate memory. */
const warmCalls = 3;
class Warm extends Error {}

let check = 0;
/** @type {number[]} */
const outside = [];
let copiedBytes = 0;
const images = { state, seed: 0, n: batch, initialNoise };
const { ms, firstMs } = await repeat(
  async () => {
    const [start, before, copied] = [performance.now(), counters.sessionMs, counters.copiedBytes];
    await sampler.sample(images);
    copiedBytes = counters.copiedBytes - copied;
    outside.push(1 - (counters.sessionMs - before) / (performance.now() - start));
  },
  request,
  async () => {
    const stop = sampler.sample({
      ...images,
      onStep: ({ step, x: { data } }) => {
        if (step < warmCalls) return;
        check = data.reduce((sum, value) => sum + value * value, 0) / data.length;
        throw new Warm();
      },
    });
    await stop.catch((error) => {
      if (!(error instanceof Warm)) throw error;
    });
  },
);

console.log(
  JSON.stringify({
    ms,
    firstMs,
    check,
    parameters: layout.size,
    peakMb: peakMb(),
    cpuSeconds: cpuSeconds(),
    versions: { node: process.version, [engine.name]: engine.info },
    ...(engine.name === 'onnx' && { compileMs: counters.compileMs, javascript: outside, copiedBytes }),
  }),
);
await engine.dispose();
