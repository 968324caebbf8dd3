/** Against the diffusion package of facebookresearch/DiT: tools/parity/losses_fixture.py. */
import * as tf from '@tensorflow/tfjs-core';
import { openEagerEngine, type Engine, float32, type Float32NdArray } from '@dm/ops';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import fixture from '../fixtures/variational-bound.json' with { type: 'json' };
import { forwardInputs, noiseLevels } from '../process/coefficients.js';
import { addNoise } from '../process/forward.js';
import { linspace, scheduleFromBetas } from '../schedules/schedule.js';
import { bitsPerDim, type BitsPerDimOptions } from './bits-per-dim.js';
import { mseLoss } from './pointwise.js';
import { boundInputs, type BoundInputs, learnedVarianceLoss } from './variational-bound.js';

const SHAPE = [4, 2, 3, 1];
const each = (f: (j: number) => number): Float32NdArray =>
  float32(
    Array.from({ length: 24 }, (_, j) => f(j)),
    SHAPE,
  );
const tensor = ({ data, shape }: Float32NdArray): tf.Tensor => tf.tensor(data, [...shape]);
const noise = (k: number) => each((j) => 1.2 * Math.sin(1.7 * j + 2.3 * k + 0.5) + 0.4 * Math.cos(j * j + k));
const images = each((j) => {
  const s = Math.max(-1, Math.min(1, 1.3 * Math.sin(2.1 * j)));
  return Math.round(127.5 + 127.5 * s) / 127.5 - 1;
});
const network = (x: tf.Tensor, t: tf.Tensor): tf.Tensor => {
  const shift = tf.mul(tf.sin(tf.mul(tf.reshape(t, [4, 1, 1, 1]), 0.3)), 0.3);
  return tf.tanh(tf.add(tf.add(tf.mul(x, 0.7), shift), tensor(each((j) => 0.4 * Math.cos(j)))));
};
const variance = (x: tf.Tensor): tf.Tensor => tf.sin(tf.add(x, tensor(each((j) => j))));

const schedule = scheduleFromBetas(linspace(1e-3, 0.3, 12));

const tolerance = { rtol: 1e-4, relativeTo: 'largest' } as const;

let engine: Engine;
beforeAll(async () => {
  engine = await openEagerEngine('tfjs-cpu');
  await tf.setBackend('cpu');
});
afterAll(() => engine.dispose());

describe('the hybrid loss of a learned variance', () => {
  const timesteps = [0, 1, 5, 11];

  test('terms, and the gradient: that of the variance, none of the mean', () => {
    const { alpha, sigma } = forwardInputs(noiseLevels(schedule, timesteps));
    const x0 = tensor(images);
    const xt = addNoise(x0, tensor(noise(-1)), { alpha: tensor(alpha), sigma: tensor(sigma) });
    const coefficients = Object.fromEntries(
      Object.entries(boundInputs(schedule, timesteps, 'epsilon')).map(([name, array]) => [name, tensor(array)]),
    ) as BoundInputs<tf.Tensor>;
    const output = network(xt, tf.tensor(timesteps));
    expect(mseLoss(output, tensor(noise(-1))).dataSync()).toBeAllClose(fixture.training.mse, tolerance);
    const loss = (mean: tf.Tensor, v: tf.Tensor): tf.Tensor =>
      learnedVarianceLoss({ x0, xt, output: mean, variance: v }, coefficients);
    expect(loss(output, variance(xt)).dataSync()).toBeAllClose(fixture.training.vb, tolerance);
    const [ofMean, ofVariance] = tf.grads((mean, v) => tf.sum(loss(mean, v)))([output, variance(xt)]);
    expect([...ofMean!.dataSync()]).toEqual(Array(24).fill(0));
    // The fixture has both channels of each image, [4, 2, 6]; the first is the mean's.
    const expected = [0, 1, 2, 3].flatMap((i) => fixture.training.gradient.slice(12 * i + 6, 12 * i + 12));
    expect(ofVariance!.dataSync()).toBeAllClose(expected, tolerance);
  });
});

describe('bitsPerDim', () => {
  test.each(fixture.bounds)('$prediction, $variance', async (bound) => {
    const options = {
      engine,
      state: {},
      schedule,
      images,
      seed: 0,
      prediction: bound.prediction as BitsPerDimOptions['prediction'],
      variance: bound.variance as BitsPerDimOptions['variance'],
      predict: (_: unknown, x: tf.Tensor, t: tf.Tensor) =>
        bound.variance === 'learnedRange' ? tf.concat([network(x, t), variance(x)], -1) : network(x, t),
    };
    const { total, prior, terms } = await bitsPerDim({ ...options, noiseAt: noise });
    expect(prior).toBeAllClose(bound.prior, tolerance);
    expect(terms).toHaveLength(12);
    terms.forEach((term, t) => expect(term).toBeAllClose(bound.terms[t]!, tolerance));
    expect(total).toBeAllClose(bound.total, tolerance);
    const seeded = await bitsPerDim(options);
    expect(seeded.total).not.toEqual(total);
    expect(await bitsPerDim(options)).toEqual(seeded);
  });
});
