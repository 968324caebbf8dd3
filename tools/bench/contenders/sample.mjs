// Times sampling a batch of images with an `@dm/models` model on one engine. Input and output are as in train.mjs.
// `check` is the mean square of x after the three model evaluations of the warmup: with random weights, rounding errors
// grow by half with each evaluation, so the final images cannot be compared.
import { readFileSync } from 'node:fs';
import { openEngine } from './engine.mjs';
import { cpuSeconds, peakMb, repeat } from './repeat.mjs';
import { samplingOf } from './sampling.mjs';
import { trainingOf } from './training.mjs';

const request = JSON.parse(readFileSync(0, 'utf8'));
const training = trainingOf(request.case, request.optimizer);
const { engine, counters } = await openEngine(request.engine, request.threads, request.options);
const { sampler, images } = await samplingOf(training, request.case.sampling, engine);

/** Model evaluations of a warmup: enough to compile and to allocate memory. */
const warmCalls = 3;
class Warm extends Error {}

let check = 0;
/** @type {number[]} */
const outside = [];
let copiedBytes = 0;
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
    parameters: training.layout.size,
    peakMb: peakMb(),
    cpuSeconds: cpuSeconds(),
    versions: { node: process.version, [engine.name]: engine.info },
    ...(engine.name === 'onnx' && { compileMs: counters.compileMs, javascript: outside, copiedBytes }),
  }),
);
await engine.dispose();
