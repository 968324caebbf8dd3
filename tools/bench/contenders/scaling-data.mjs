// Times what depends on the number of images of a dataset in memory. Reads { images, batch, batches } from standard
// input; prints a line of JSON: { orderMs, batchMs, peakMb, cpuSeconds }, the order of one epoch and a batch after it
// (median).
import { readFileSync } from 'node:fs';
import { createMemoryDataset, epochOrder, loadBatch } from '@dm/data';
import { quantile } from '../summary.mjs';
import { cpuSeconds, peakMb } from './repeat.mjs';

const { images, batch, batches } = JSON.parse(readFileSync(0, 'utf8'));
const shape = /** @type {const} */ ([28, 28, 1]);
const dataset = createMemoryDataset({
  name: 'constant images',
  images: new Uint8Array(images * 28 * 28).fill(1),
  shape,
});
// Compiles the functions, on another epoch.
for (let i = 0; i < 20; i++) epochOrder({ seed: 1, epoch: i, length: 1000 });
const orders = Array.from({ length: 5 }, (_, epoch) => {
  const start = performance.now();
  epochOrder({ seed: 2, epoch, length: images });
  return performance.now() - start;
});
/** @type {number[]} */
const times = [];
for (let i = 0; i < batches; i++) {
  const start = performance.now();
  await loadBatch(dataset, { seed: 0, step: i, batchSize: batch });
  times.push(performance.now() - start);
}
console.log(
  JSON.stringify({
    orderMs: Math.min(...orders),
    batchMs: quantile(times, 0.5),
    peakMb: peakMb(),
    cpuSeconds: cpuSeconds(),
  }),
);
