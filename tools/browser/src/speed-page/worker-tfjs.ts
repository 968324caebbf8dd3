/** TensorFlow.js computes the same programs, op by op. */
import { type Engine, openEagerEngine } from '@dm/ops';
import { setThreadsCount, setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { openStep, type Step } from '../speed/steps.js';
import { serve } from './serve.js';

const urls = {
  plain: new URL('@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm', import.meta.url).href,
  simd: new URL('@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm', import.meta.url).href,
  threads: new URL('@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm', import.meta.url).href,
};

/** The gradient of TF.js's own convolution, which our models do not use. */
async function openConv2d(backend: string): Promise<Step> {
  await tf.setBackend(backend);
  const x: tf.Tensor4D = tf.ones([2, 8, 8, 4]);
  const filter: tf.Tensor4D = tf.ones([3, 3, 4, 4]);
  const gradient = tf.grads((image: tf.Tensor, weight: tf.Tensor) =>
    tf.mean(tf.square(tf.conv2d(image as tf.Tensor4D, weight as tf.Tensor4D, 1, 'same'))),
  );
  return async () => {
    const [, dFilter] = gradient([x, filter]);
    return (await dFilter!.data())[0]!;
  };
}

async function openEngine(backend: string, threads: number): Promise<Engine> {
  if (backend === 'webgl') {
    // The engines have no WebGL, so it takes the place of another backend.
    await import('@tensorflow/tfjs-backend-webgl');
    tf.copyRegisteredKernels('webgl', 'webgpu');
    tf.registerBackend('webgpu', tf.findBackendFactory('webgl'));
    return openEagerEngine('tfjs-webgpu', { load: async () => {} });
  }
  if (backend === 'cpu') return openEagerEngine('tfjs-cpu', { load: () => import('@tensorflow/tfjs-backend-cpu') });
  setWasmPaths({
    'tfjs-backend-wasm.wasm': urls.plain,
    'tfjs-backend-wasm-simd.wasm': urls.simd,
    'tfjs-backend-wasm-threaded-simd.wasm': urls.threads,
  });
  setThreadsCount(threads);
  return openEagerEngine('tfjs-wasm', { load: () => import('@tensorflow/tfjs-backend-wasm') });
}

serve(async (work, backend, threads) => {
  tf.env().set('PROD', true);
  const engine = await openEngine(backend, threads);
  return work === 'conv2d' ? openConv2d(backend) : openStep(engine, work);
});
