/** A worker that a page controls by `connectTraining`. It chooses the device, unless the page names the threads. */
import type { OnnxRuntimeModule } from '@dm/jit';
import { createBrowserTraining, openOpfsStore, serveTraining } from '@dm/trainer/browser';
import { formulaDataset } from '../run.js';

/** Loads the build of onnxruntime-web for a device. */
async function load(device: 'cpu' | 'webgpu'): Promise<OnnxRuntimeModule> {
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

// The page names the run by `out`, asks for WebGPU or a measurement by `device`, and for WebAssembly by `threads`.
serveTraining(async ({ out, device, ...config }, hooks) =>
  createBrowserTraining(config, {
    ...hooks,
    store: await openOpfsStore(out!),
    dataset: formulaDataset(),
    ort: load,
    device: device === 'webgpu' ? 'webgpu' : config.threads === 1 ? 'cpu' : 'auto',
  }),
);

// An error outside of the training, when the page asks for it.
(globalThis as unknown as EventTarget).addEventListener('message', (event) => {
  if ((event as Event & { readonly data: unknown }).data === 'crash') throw new Error('crashed on request');
});
