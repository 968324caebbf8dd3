// The worker: trains on images that it draws. A run with a name would survive a reload, with openOpfsStore('shapes').
import { createMemoryDataset } from '@dm/data';
import { createBrowserTraining, createMemoryStore, serveTraining } from '@dm/trainer/browser';
import * as ort from 'onnxruntime-web/wasm';

ort.env.wasm.wasmPaths = {
  mjs: new URL('onnxruntime-web/ort-wasm-simd-threaded.mjs', import.meta.url).href,
  wasm: new URL('onnxruntime-web/ort-wasm-simd-threaded.wasm', import.meta.url).href,
};

const count = 1000;
const images = new Uint8Array(count * 256); // [N, 16, 16, 1]: disks and rings of different sizes
for (let n = 0; n < count; n++) {
  const [radius, isRing] = [3 + (4 * n) / count, n % 2];
  for (let i = 0; i < 256; i++) {
    const distance = Math.hypot((i % 16) - 7.5, Math.floor(i / 16) - 7.5);
    if (distance < radius && (isRing === 0 || distance > radius - 2)) images[256 * n + i] = 255;
  }
}
const dataset = createMemoryDataset({ name: 'shapes', images, shape: [16, 16, 1] });

serveTraining(async (config, hooks) =>
  createBrowserTraining(config, { store: createMemoryStore('shapes'), dataset, ort, ...hooks }),
);
