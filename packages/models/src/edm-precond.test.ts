// Its numbers stand beside NVlabs/edm's in parity.test.ts; here what it refuses, and that it is core's prediction `edm`.
import { conversion, edmLevel, inputScale } from '@dm/core';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { beforeAll, describe, expect, it } from 'vitest';
import { dit } from './dit/dit.js';
import { edmPrecond } from './edm-precond.js';
import type { Model } from './model.js';
import { caseModel, modelCases } from './testing/model-cases.js';
import { unet2d } from './unet/unet2d.js';

beforeAll(() => tf.setBackend('cpu'));

const small = dit({
  input_size: 8,
  patch_size: 4,
  in_channels: 1,
  hidden_size: 16,
  depth: 1,
  num_heads: 2,
  learn_sigma: false,
});

/** F says what it was given, so that D shows each coefficient. */
const echo: Model = { ...small, apply: (_, x, t) => tf.add(tf.mul(x, 2), tf.reshape(t, [-1, 1, 1, 1])) };

it.each([0.002, 0.5, 80])('at sigma %f it is the prediction edm of @dm/core, converted to x0', (sigma) => {
  const x = tf.fill([1, 8, 8, 1], 3);
  const [y] = edmPrecond(echo, { sigma_data: 0.4 })
    .apply({}, x, tf.tensor1d([sigma]))
    .dataSync();
  const level = edmLevel(sigma);
  const options = { sigmaData: 0.4 };
  const { x: skip, output } = conversion('edm', 'x0', level, options);
  const expected = skip * 3 + output * (2 * inputScale('edm', level, options) * 3 + level.t);
  expect(Math.abs(y! - expected)).toBeLessThan(1e-6 * (1 + Math.abs(expected)));
});

it('keeps the parameters, the classes and the dropouts of the model inside', () => {
  const modelCase = modelCases.find(({ edm }) => edm !== undefined)!;
  const { edm: _edm, ...plain } = modelCase;
  const [inside, around] = [caseModel(plain), caseModel(modelCase)];
  expect(around).toMatchObject({ specs: inside.specs, condDim: inside.condDim, layers: inside.layers });
  expect(around).toMatchObject({ kind: 'EDMPrecond', config: { sigma_data: 0.5, model: inside.config } });
});

describe('refuses', () => {
  it.each([0, -1, NaN, Infinity])('sigma_data %f', (sigma_data) => {
    expect(() => edmPrecond(small, { sigma_data })).toThrow(/EDMPrecond: sigma_data must be a number > 0, got /);
  });

  it('a model with a learned variance, or of other channels', () => {
    expect(() => edmPrecond(dit({ input_size: 8, in_channels: 1, hidden_size: 16, depth: 1, num_heads: 2 }))).toThrow(
      /the DiT inside puts out 2 channels, but must put out 1/,
    );
    const unet = unet2d({ sample_size: 32, in_channels: 1 });
    expect(() => edmPrecond(unet)).toThrow(/the UNet2DModel inside puts out 3 channels/);
  });

  it('sigmas that are not one an image', () => {
    const model = edmPrecond(echo);
    expect(() => model.apply({}, tf.zeros([2, 8, 8, 1]), tf.tensor1d([1]))).toThrow(/sigma must be \[2\].*got \[1\]/);
    expect(() => model.apply({}, tf.zeros([2, 8, 8, 1]), tf.ones([2, 1]))).toThrow(/got \[2, 1\]/);
  });
});
