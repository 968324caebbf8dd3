// parity.test.ts compares the values with NVlabs/edm; this file tests errors and the agreement with the prediction type
// `edm` of @dm/core.
import { conversion, edmLevel, inputScale } from '@dm/core';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { beforeAll, describe, expect, it } from 'vitest';
import { ConfigError } from './config-error.js';
import { dit } from './dit/dit.js';
import { edmPrecond } from './edm-precond.js';
import type { Model } from './model.js';
import { caseModel, modelCases } from './testing/model-cases.js';
import { unet2d } from './unet/extended.js';

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

/** F returns a function of its arguments, so that D depends on each coefficient. */
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
    expect(() => edmPrecond(small, { sigma_data })).toThrowWith({
      type: ConfigError,
      contains: ['EDMPrecond', 'sigma_data', '> 0'],
    });
  });

  it('a model with a learned variance, or with other output channels', () => {
    expect(() =>
      edmPrecond(dit({ input_size: 8, in_channels: 1, hidden_size: 16, depth: 1, num_heads: 2 })),
    ).toThrowWith({
      type: ConfigError,
      contains: ['DiT', '1', 'got 2'],
    });
    const unet = unet2d({ sample_size: 32, in_channels: 1 });
    expect(() => edmPrecond(unet)).toThrowWith({ type: ConfigError, contains: ['UNet2DModel', 'got 3'] });
  });

  it('another number of sigmas than images', () => {
    const model = edmPrecond(echo);
    expect(() => model.apply({}, tf.zeros([2, 8, 8, 1]), tf.tensor1d([1]))).toThrowWith({
      type: Error,
      contains: ['sigma', '[2]', 'got [1]'],
    });
    expect(() => model.apply({}, tf.zeros([2, 8, 8, 1]), tf.ones([2, 1]))).toThrow(/got \[2, 1\]/);
  });
});
