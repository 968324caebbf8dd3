import { openOnnxEngine } from '@dm/jit';
import { fromPretrained } from '@dm/models';
import * as ort from 'onnxruntime-web/wasm';

/** @param {{ url: string, requests: readonly import('@dm/models').SampleRequest[] }} task */
async function sample({ url, requests }) {
  const engine = await openOnnxEngine({ ort });
  const model = await fromPretrained(url, { engine });
  const images = [];
  // oxlint-disable-next-line no-await-in-loop -- one model
  for (const request of requests) images.push([...(await model.sample(request)).data]);
  await model.dispose();
  await engine.dispose();
  return { images, classes: model.classes, notes: model.notes };
}

addEventListener('message', ({ data }) => {
  sample(data).then(postMessage, (error) => postMessage({ error: String(error.stack), code: error.code }));
});
