import { openOnnxEngine } from '@dm/jit';
import * as ort from 'onnxruntime-web/wasm';
import { openStep, type Work } from '../speed/steps.js';
import { serve } from './serve.js';

// Separate files: the runtime's threads load the first one, so it cannot be part of a bundle.
ort.env.wasm.wasmPaths = {
  mjs: new URL('onnxruntime-web/ort-wasm-simd-threaded.mjs', import.meta.url).href,
  wasm: new URL('onnxruntime-web/ort-wasm-simd-threaded.wasm', import.meta.url).href,
};
serve(async (work, _backend, threads) => openStep(await openOnnxEngine({ ort, threads }), work as Work));
