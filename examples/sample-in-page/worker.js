// The worker: opens the model with the first request, and answers each request with images.
import { openOnnxEngine } from '@dm/jit';
import { fromPretrained } from '@dm/models';

/** Loads the build of onnxruntime-web for a device, so that only one is ever loaded. @param {'cpu' | 'webgpu'} device */
async function loadRuntime(device) {
  // Separate files: the runtime's threads load the first one, so it cannot be part of a bundle.
  if (device === 'webgpu') {
    const ort = await import('onnxruntime-web/jspi');
    ort.env.wasm.wasmPaths = {
      mjs: new URL('onnxruntime-web/ort-wasm-simd-threaded.jspi.mjs', import.meta.url).href,
      wasm: new URL('onnxruntime-web/ort-wasm-simd-threaded.jspi.wasm', import.meta.url).href,
    };
    return ort;
  }
  const ort = await import('onnxruntime-web/wasm');
  ort.env.wasm.wasmPaths = {
    mjs: new URL('onnxruntime-web/ort-wasm-simd-threaded.mjs', import.meta.url).href,
    wasm: new URL('onnxruntime-web/ort-wasm-simd-threaded.wasm', import.meta.url).href,
  };
  return ort;
}

/**
 * @typedef {object} Task
 * @property {string} url a folder of `dm export` or diffusers
 * @property {import('@dm/models').SampleRequest} request
 * @property {'cpu' | 'webgpu'} [device] of the first request; default `cpu`
 * @property {number} [threads] several need a page that is cross-origin isolated; default: as many as it has
 */

/** @param {Task} task */
async function open({ url, device = 'cpu', threads }) {
  const engine = await openOnnxEngine({ ort: await loadRuntime(device), device, ...(threads && { threads }) });
  try {
    return { model: await fromPretrained(url, { engine }), info: engine.info };
  } catch (error) {
    await engine.dispose();
    throw error;
  }
}

/** @type {ReturnType<typeof open> | undefined} */
let opening;

/** @param {Task} task */
async function sample(task) {
  opening ??= open(task).catch((error) => {
    opening = undefined; // the next request tries again
    throw error;
  });
  const { model, info } = await opening;
  const { data, shape } = await model.sample(task.request); // float32 [n, H, W, C] in [-1, 1]
  return { data, shape, classes: model.classes, notes: model.notes, info };
}

addEventListener('message', ({ data }) => {
  sample(data).then(postMessage, (error) => postMessage({ error: String(error.stack), code: error.code }));
});
