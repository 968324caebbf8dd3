import * as ort from 'onnxruntime-web/wasm';
import { serve } from './worker-task.js';

// Files of their own: the runtime's threads load the first one, which cannot be part of this bundle.
ort.env.wasm.wasmPaths = {
  mjs: new URL('onnxruntime-web/ort-wasm-simd-threaded.mjs', import.meta.url).href,
  wasm: new URL('onnxruntime-web/ort-wasm-simd-threaded.wasm', import.meta.url).href,
};
serve(ort);
