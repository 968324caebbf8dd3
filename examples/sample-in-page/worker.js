// The worker: opens the model with the first request, and answers each request with images.
import { openOnnxEngine } from '@dm/jit';
import { fromPretrained } from '@dm/models';
import * as ort from 'onnxruntime-web/wasm';

/** @type {Promise<Awaited<ReturnType<typeof fromPretrained>>> | undefined} */
let opening;

/** @param {{ url: string, request: import('@dm/models').SampleRequest }} task `url`: a folder of `dm export` or diffusers */
async function sample({ url, request }) {
  opening ??= openOnnxEngine({ ort }).then((engine) => fromPretrained(url, { engine }));
  const model = await opening;
  const { data, shape } = await model.sample(request); // float32 [n, H, W, C] in [-1, 1]
  return { data, shape, classes: model.classes, notes: model.notes };
}

addEventListener('message', ({ data }) => {
  sample(data).then(postMessage, (error) => postMessage({ error: String(error.stack), code: error.code }));
});
