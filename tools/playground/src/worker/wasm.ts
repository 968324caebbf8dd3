import * as ort from 'onnxruntime-web/wasm';
import { serve, type WorkerScope } from './session.js';

// Separate files: the runtime's threads load the first one, so it cannot be part of a bundle.
ort.env.wasm.wasmPaths = {
  mjs: new URL('onnxruntime-web/ort-wasm-simd-threaded.mjs', import.meta.url).href,
  wasm: new URL('onnxruntime-web/ort-wasm-simd-threaded.wasm', import.meta.url).href,
};
serve(globalThis as unknown as WorkerScope, ort);
