import type { OnnxRuntimeModule } from '@dm/jit';
import type { BrowserDevice } from '@dm/trainer/browser';
import { serve, type WorkerScope } from './session.js';

/** Loads the build of ONNX Runtime for a device. */
async function load(device: BrowserDevice): Promise<OnnxRuntimeModule> {
  // Separate files: the runtime's threads load the first one, so it cannot be part of a bundle.
  if (device === 'cpu') {
    const ort = await import('onnxruntime-web/wasm');
    ort.env.wasm.wasmPaths = {
      mjs: new URL('onnxruntime-web/ort-wasm-simd-threaded.mjs', import.meta.url).href,
      wasm: new URL('onnxruntime-web/ort-wasm-simd-threaded.wasm', import.meta.url).href,
    };
    return ort;
  }
  const ort = await import('onnxruntime-web/jspi');
  ort.env.wasm.wasmPaths = {
    mjs: new URL('onnxruntime-web/ort-wasm-simd-threaded.jspi.mjs', import.meta.url).href,
    wasm: new URL('onnxruntime-web/ort-wasm-simd-threaded.jspi.wasm', import.meta.url).href,
  };
  return ort;
}

serve(globalThis as unknown as WorkerScope, load);
