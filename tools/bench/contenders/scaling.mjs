// Times a training step like train.mjs, and counts its work. Reads { case, optimizer, threads, warmup, steps, seconds }
// from standard input, and prints one JSON object; `total` is the sum of the steps: { ms, total, firstMs, parameters, peakMb,
// cpuSeconds, flops, bytes }.
import { readFileSync } from 'node:fs';
import { openOnnxEngine } from '@dm/jit';
import { workOfGraph, workOfUpdate } from '../work.mjs';
import { cpuSeconds, peakMb, repeat } from './repeat.mjs';
import { trainingOf } from './training.mjs';

const request = JSON.parse(readFileSync(0, 'utf8'));
const training = trainingOf(request.case, request.optimizer);
const work = { flops: 0, bytes: 0 };
const engine = await openOnnxEngine({
  threads: request.threads,
  observer: {
    compiled({ graph, format }) {
      const { flops, bytes } = format === 'wasm' ? workOfUpdate(graph) : workOfGraph(graph);
      work.flops += flops;
      work.bytes += bytes;
    },
  },
});
const step = engine.compile(training.program, { name: 'training step' });
const state = await step.load(training.state());
const batch = training.batch(0);
let calls = 0;
const { ms, firstMs } = await repeat(async () => {
  await step.run(state, { ...batch, ...training.scalars(calls++) });
}, request);
console.log(
  JSON.stringify({
    ms,
    total: ms.reduce((sum, time) => sum + time, 0),
    firstMs,
    parameters: training.layout.size,
    peakMb: peakMb(),
    cpuSeconds: cpuSeconds(),
    ...work,
  }),
);
await engine.dispose();
