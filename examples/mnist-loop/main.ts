// Trains on MNIST with a training loop of your own, and writes 16 generated digits: `tsx main.ts`.
import { writeFile } from 'node:fs/promises';
import * as dm from '@dm/core';
import { clts } from '@dm/curriculum';
import { imageGrid, loadBatch, openDataset, toBytes } from '@dm/data';
import { openOnnxEngine } from '@dm/jit';
import { initializeFlat, parameterLayout, unet2d, unetPresets } from '@dm/models';
import { float32, splitFlat, toScalars, type Program } from '@dm/ops';
import { adamW } from '@dm/optim';
import * as tf from '@tensorflow/tfjs-core';

const seed = 0;
const totalSteps = process.argv.includes('--smoke') ? 10 : 1300;
const batchSize = 32;
const data = await openDataset('mnist');
const model = unet2d(unetPresets.mnist);
const layout = parameterLayout(model); // all parameters in one vector
const schedule = dm.cosineSchedule();
const curriculum = clts({ numTimesteps: schedule.numTimesteps, totalSteps });
const optimizer = adamW({ lr: 1e-3 });

const predict = (params: tf.Tensor, x: tf.Tensor, t: tf.Tensor) => model.apply(splitFlat(params, layout), x, t);

// One step, as a function of tensors. The network predicts v.
const step: Program = ({ params, ...slots }, inputs) => {
  const { images, noise, t, alpha, sigma, ofImages, ofNoise, weights, ...scalars } = inputs;
  const x = dm.addNoise(images!, noise!, { alpha: alpha!, sigma: sigma! });
  const target = dm.predictionTarget(images!, noise!, { x0: ofImages!, noise: ofNoise! });
  const loss = (p: tf.Tensor) => dm.weightedMean(dm.mseLoss(predict(p, x, t!), target), weights!);
  const { value, grad } = tf.valueAndGrad(loss)(params!);
  const next = optimizer.update(params!, grad, slots, scalars);
  return { state: { params: next.params, ...next.slots }, outputs: { loss: value } };
};

const engine = await openOnnxEngine();
const program = engine.compile(step);
const { params } = initializeFlat(model, seed);
const state = await program.load({ params: float32(params), ...optimizer.init(layout.size) });

for (let n = 0; n < totalSteps; n++) {
  const { images, indices } = await loadBatch(data, { seed, step: n, batchSize });
  const key = { seed, step: n, indices };
  const uniforms = dm.uniformEach({ ...key, stream: 'timesteps' });
  const { timesteps, weights } = curriculum.sample(n, uniforms);
  const levels = dm.noiseLevels(schedule, timesteps);
  const target = dm.targetInputs('v', levels);
  const { loss } = await program.run(state, {
    images: float32(images, [batchSize, ...data.shape]),
    noise: dm.normalBatch({ ...key, stream: 'noise' }, data.shape),
    t: float32(timesteps),
    ...dm.forwardInputs(levels),
    ofImages: target.x0,
    ofNoise: target.noise,
    weights: float32(weights),
    ...toScalars(optimizer.scalars(n)),
  });
  if (n % 50 === 0) console.log(n, loss!.data[0]);
}

const trained = await state.read();
const samples = await dm.sampleImages({
  engine,
  predict: (weights, x, t) => predict(weights['params']!, x, t),
  state: { params: trained['params']! },
  prediction: 'v',
  sampler: dm.dpmSolver2M(),
  path: dm.discretePath(schedule, { steps: 20 }),
  shape: data.shape,
  seed,
  n: 16,
});
const grid = await imageGrid(toBytes(samples.data), { shape: data.shape, columns: 4 });
await writeFile('digits.png', grid);
await engine.dispose();
