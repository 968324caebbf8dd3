import { parameterLayout, unetPresets, type Model } from '@dm/models';
import { expect, it } from 'vitest';
import { createTrainingSetup } from '../setup/training-setup.js';
import { unetSize } from './default-sizes.js';
import { createAnyModel } from './all-models.js';
import { fitModel, modelTypes, type ModelTypeName } from './model-types.js';
import { presets } from './presets.js';
import { resolveConfig } from './resolve.js';
import type { PartialConfig } from './schema.js';

const types = Object.keys(modelTypes) as ModelTypeName[];

function modelFor(type: ModelTypeName, side: number, channels: number): Model {
  const data = { height: side, width: side, channels, numClasses: 10, labelDropout: null };
  const { type: _type, ...config } = fitModel({ type }, data);
  return createAnyModel({ ...config, type });
}

function parametersOf(value: PartialConfig, shape: readonly [number, number, number], name: string): number {
  const read = () => Promise.reject(new Error('nothing is read'));
  const classes = Array.from({ length: 10 }, (_, i) => String(i));
  return createTrainingSetup(resolveConfig([{ source: 'the test', value }]), { name, shape, classes, read }).layout
    .size;
}

it.each(types)('%s without a size fits images of any size, with fewer than 50 million parameters', (type) => {
  for (const side of [1, 2, 3, 7, 8, 15, 16, 20, 27, 28, 29, 31, 32, 48, 50, 64, 96, 100, 128, 224, 256]) {
    for (const channels of [1, 3]) {
      const model = modelFor(type, side, channels);
      expect(model.inputShape).toEqual([side, side, channels]);
      expect(model.outChannels, `${type} at ${side}`).toBe(channels);
      expect(parameterLayout(model).size, `${type} at ${side}`).toBeLessThan(50e6);
    }
  }
});

it.each(['dit', 'dit-diffusers', 'uvit'] as const)('%s names an image size that can be cut into patches', (type) => {
  expect(() => modelFor(type, 37, 3)).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringMatching(/36 or 38/) as string }),
  );
  expect(() => modelFor(type, 36, 3)).not.toThrow();
  expect(() => modelFor(type, 38, 3)).not.toThrow();
});

it('is a preset of @dm/models for the images that it is for', () => {
  for (const [name, channels] of [
    ['mnist', 1],
    ['cifar10-small', 3],
    ['small-64', 3],
  ] as const) {
    const { sample_size: side } = unetPresets[name];
    expect(unetSize({ height: side, width: side, channels })).toEqual({
      ...unetPresets[name],
      sample_size: undefined,
      in_channels: undefined,
      out_channels: undefined,
    });
  }
});

it('--model dit and --model uvit over the default preset', () => {
  expect(parametersOf({ model: { type: 'dit' } }, [28, 28, 1], 'mnist')).toBeLessThan(50e6);
  expect(parametersOf({ model: { type: 'uvit' } }, [28, 28, 1], 'mnist')).toBeLessThan(50e6);
});

it('a size that is given in part is completed by the defaults of the class', () => {
  const parameters = parametersOf({ model: { type: 'dit', patch_size: 2 } }, [28, 28, 1], 'mnist');
  expect(parameters).toBe(673_648_132);
});

it.each(Object.entries(presets))('the preset %s has fewer than 50 million parameters', (name, { data }) => {
  const shape = data === 'mnist' ? ([28, 28, 1] as const) : ([32, 32, 3] as const);
  expect(parametersOf({ preset: name }, shape, data)).toBeLessThan(50e6);
});
