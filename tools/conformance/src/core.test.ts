// Every sampler with a small fixed network, and every loss with its gradient, on every engine.
import {
  addNoise,
  convertPrediction,
  discretePath,
  huberLoss,
  l1Loss,
  linearSchedule,
  mseLoss,
  normalBatch,
  type Predict,
  sampleImages,
  samplers,
  type SamplerOptions,
  weightedMean,
} from '@dm/core';
import { type Engine, float32, type Program } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { onEachEngine } from './on-each-engine.js';

const shape = [4, 4, 2];
const noise = (stream: 'noise' | 'sample', count = 3) =>
  normalBatch({ seed: 1, stream, step: 0, indices: Array.from({ length: count }, (_, i) => i) }, shape);

/** Nonlinear in x and dependent on t, so that no step of a sampler is exact. */
const predict: Predict = (state, x, t) =>
  tf.add(tf.mul(tf.tanh(x), state['weight']!), tf.reshape(tf.mul(t, 1e-4), [-1, 1, 1, 1]));

const limits: Readonly<Record<string, Pick<SamplerOptions, 'clip' | 'threshold'>>> = {
  free: {},
  clipped: { clip: 1 },
  thresholded: { threshold: { quantile: 0.9, max: 3 } },
};

onEachEngine('samplers', (engine, reference) => {
  describe.each(Object.keys(limits))('%s', (limit) => {
    it.each(Object.keys(samplers) as (keyof typeof samplers)[])('%s', async (name) => {
      const images = (on: Engine) =>
        sampleImages({
          engine: on,
          predict,
          prediction: 'epsilon',
          sampler: samplers[name].create({}),
          path: discretePath(linearSchedule(), { steps: 6 }),
          shape,
          state: { weight: float32([0.8], []) },
          seed: 3,
          n: 3,
          ...limits[limit],
        });
      const expected = await images(reference);
      expect(expected.data.every(Number.isFinite)).toBe(true);
      expect({ images: await images(engine) }).toBeAllClose(
        { images: expected },
        { rtol: 1e-5, relativeTo: 'norm', rtolOfAll: 1e-6 },
      );
    });
  });
});

onEachEngine('losses', (engine, reference) => {
  const losses = { mse: mseLoss, l1: l1Loss, huber: huberLoss({ delta: 0.5 }) };
  it.each(Object.entries(losses))('%s, with the gradient through the forward process', async (_name, pointwise) => {
    const program: Program = (_state, { x0, noise: eps, alpha, sigma, weights }) => {
      const loss = (x: tf.Tensor) => {
        const noised = addNoise(x, eps!, { alpha: alpha!, sigma: sigma! });
        const converted = convertPrediction(noised, tf.tanh(noised), { x: sigma!, output: alpha! });
        return weightedMean(pointwise(converted, eps!), weights!);
      };
      const { value, grad } = tf.valueAndGrad(loss)(x0!);
      return { outputs: { loss: value, grad } };
    };
    const inputs = {
      x0: noise('sample'),
      noise: noise('noise'),
      alpha: float32([0.9, 0.6, 0.2], [3]),
      sigma: float32([0.4, 0.8, 0.98], [3]),
      weights: float32([1, 0.5, 2], [3]),
    };
    const result = async (on: Engine) => {
      const compiled = on.compile(program);
      return compiled.run(await compiled.load({}), inputs);
    };
    expect(await result(engine)).toBeAllClose(await result(reference), {
      rtol: 1e-5,
      relativeTo: 'norm',
      rtolOfAll: 1e-6,
    });
  });
});
