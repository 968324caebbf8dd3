// Times a training step on one engine.
// Reads a JSON object from standard input: { case, optimizer, engine, options, threads, warmup, steps, seconds,
// precision }; `options` are the device and layout of the engine `onnx`, the default precision is `f32`. Prints a line
// of JSON: { ms, firstMs, check, parameters, peakMb, cpuSeconds, versions }, and for the engine `onnx` also compileMs,
// javascript, and copiedBytes (per call).
import { readFileSync } from 'node:fs';
import { openEngine } from './engine.mjs';
import { cpuSeconds, peakMb, repeat } from './repeat.mjs';
import { trainingOf } from './training.mjs';

const request = JSON.parse(readFileSync(0, 'utf8'));
const training = trainingOf(request.case, request.optimizer, request.precision);
const { engine, counters } = await openEngine(request.engine, request.threads, request.options);
const step = engine.compile(training.program, { name: 'training step' });
const state = await step.load(training.state());
const batch = training.batch(0);

/** @type {number[]} */
const losses = [];
/** Fraction of each step spent outside the runtime. @type {number[]} */
const outside = [];
let copiedBytes = 0;
const { ms, firstMs } = await repeat(async () => {
  const [start, before, copied] = [performance.now(), counters.sessionMs, counters.copiedBytes];
  const { loss } = await step.run(state, { ...batch, ...training.scalars(losses.length) });
  losses.push(loss.data[0]);
  copiedBytes = counters.copiedBytes - copied;
  outside.push(1 - (counters.sessionMs - before) / (performance.now() - start));
}, request);

console.log(
  JSON.stringify({
    ms,
    firstMs,
    check: losses[0],
    parameters: training.layout.size,
    peakMb: peakMb(),
    cpuSeconds: cpuSeconds(),
    versions: { node: process.version, [engine.name]: engine.info },
    ...(engine.name === 'onnx' && {
      compileMs: counters.compileMs,
      javascript: outside.slice(-ms.length),
      copiedBytes,
    }),
  }),
);
await engine.dispose();
