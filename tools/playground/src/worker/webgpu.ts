import * as ort from 'onnxruntime-web/jspi';
import { serve, type WorkerScope } from './session.js';

ort.env.wasm.wasmPaths = {
  mjs: new URL('onnxruntime-web/ort-wasm-simd-threaded.jspi.mjs', import.meta.url).href,
  wasm: new URL('onnxruntime-web/ort-wasm-simd-threaded.jspi.wasm', import.meta.url).href,
};
serve(globalThis as unknown as WorkerScope, ort);
