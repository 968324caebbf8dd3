import { createMemoryDataset } from '@dm/data';
import { openOnnxEngine } from '@dm/jit';
import {
  batchSource,
  compileStep,
  createTrainingSetup,
  fetchBatch,
  resolveConfig,
  startingState,
  trainStep,
} from '@dm/trainer/core';
import * as ort from 'onnxruntime-web/wasm';

async function oneStep() {
  const images = Uint8Array.from({ length: 16 * 8 * 8 }, (_, i) => (i * 37) % 256);
  const dataset = createMemoryDataset({ name: 'formula', images, shape: [8, 8, 1] });
  const model = { type: 'dit', patch_size: 2, hidden_size: 32, depth: 1, num_heads: 2 };
  const config = resolveConfig([{ source: 'page', value: { model, batchSize: 4, totalSteps: 1 } }]);
  const setup = createTrainingSetup(config, batchSource(dataset));
  const engine = await openOnnxEngine({ ort });
  const compiled = await compileStep(setup, engine, startingState(setup));
  const { result } = await trainStep(setup, compiled, 0, await fetchBatch(setup, 0), setup.curriculum.initialState?.());
  return result.loss;
}

oneStep().then(
  (loss) => postMessage(`loss ${loss}`),
  (error) => postMessage(`failed: ${error.stack}`),
);
