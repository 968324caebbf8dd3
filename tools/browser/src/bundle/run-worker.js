import { createMemoryDataset } from '@dm/data';
import { createBrowserTraining, exportRunZip, openOpfsStore } from '@dm/trainer/browser';
import * as ort from 'onnxruntime-web/wasm';

/** Trains a run that is stored, and exports it. */
async function run() {
  const images = Uint8Array.from({ length: 16 * 8 * 8 }, (_, i) => (i * 37) % 256);
  const dataset = createMemoryDataset({ name: 'formula', images, shape: [8, 8, 1] });
  const model = { type: 'dit', patch_size: 2, hidden_size: 32, depth: 1, num_heads: 2 };
  const store = await openOpfsStore('formula');
  const training = createBrowserTraining({ model, batchSize: 4, totalSteps: 1 }, { store, dataset, ort });
  await training.run();
  return exportRunZip(store);
}

run().then(
  (zip) => postMessage(`zip of ${zip.size} bytes`),
  (error) => postMessage(`failed: ${error.stack}`),
);
