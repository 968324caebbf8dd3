// The options of models and timestep schedules in the schema, compared with the packages that define them.
import { samplers } from '@dm/core';
import {
  createTimestepSchedule,
  timestepScheduleDefaults,
  timestepSchedules,
  type TimestepScheduleName,
} from '@dm/curriculum';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { UserError } from '../errors.js';
import { describeCurricula } from './curriculum-descriptions.js';
import { curriculumSchema } from './curriculum-schema.js';
import { modelSchema } from './model-schema.js';
import { createAnyModel } from './all-models.js';
import { modelTypes, type ModelTypeName } from './model-types.js';
import { samplerSchema } from './sampler-schema.js';
import { explainPart, resolveConfig } from './resolve.js';
import type { PartialConfig } from './schema.js';

const typeOf = (option: z.ZodObject) => (option.shape['type'] as z.ZodLiteral<string>).value;
const values = [
  -1,
  0,
  0.5,
  1,
  2,
  3,
  16,
  63,
  2 ** 16,
  2 ** 21,
  1e10,
  'x',
  'conv',
  'silu',
  true,
  false,
  null,
  [],
  [8],
  {},
];

describe('the options of a model', () => {
  it('have entries for every type', () => {
    expect(modelSchema.options.map(typeOf).toSorted()).toEqual(Object.keys(modelTypes).toSorted());
  });

  const creates = (type: string, config: object): boolean => {
    try {
      createAnyModel({ ...config, type: type as ModelTypeName });
      return true;
    } catch {
      return false;
    }
  };
  const base: Readonly<Record<string, object>> = {
    unet: {
      sample_size: 16,
      block_out_channels: [32],
      down_block_types: ['DownBlock2D'],
      up_block_types: ['UpBlock2D'],
    },
    dit: { hidden_size: 16, num_heads: 1, depth: 1, input_size: 16 },
    'dit-diffusers': { num_attention_heads: 1, attention_head_dim: 16, num_layers: 1, sample_size: 16 },
    uvit: { embed_dim: 16, num_heads: 1, depth: 2, img_size: 16 },
    'song-unet': {
      img_resolution: 16,
      in_channels: 3,
      out_channels: 3,
      model_channels: 32,
      channel_mult: [1],
      num_blocks: 1,
    },
    'edm2-unet': { img_resolution: 16, img_channels: 3, model_channels: 64, channel_mult: [1], num_blocks: 1 },
  };

  it.each(modelSchema.options.map((option) => [typeOf(option), option] as const))(
    'include every value that the class %s accepts, and no text, object, or size that it rejects',
    (type, option) => {
      const fields = Object.keys(option.shape).filter((field) => field !== 'type');
      expect(fields.length).toBeGreaterThan(9);
      const cases = fields.flatMap((field) =>
        values.map((value) => ({
          field,
          value,
          isAccepted: option.safeParse({ type, [field]: value }).success,
          isCreated: creates(type, { ...base[type], [field]: value }),
        })),
      );
      // The class accepts any value of num_train_timesteps, which only the learned time embedding uses.
      const isChecked = (field: string) => field !== 'num_train_timesteps';
      expect(cases.filter((c) => isChecked(c.field) && c.isCreated && !c.isAccepted)).toEqual([]);
      // Other values may fit or not, depending on other fields.
      const isNeverFitting = (field: string, value: unknown) =>
        value === 'x' || JSON.stringify(value) === '{}' || (value === 1e10 && field !== 'freq_shift');
      expect(cases.filter((c) => isNeverFitting(c.field, c.value) && !c.isCreated && c.isAccepted)).toEqual([]);
    },
  );
});

it('every sampler has its options', () => {
  expect(samplerSchema.options.map(typeOf).toSorted()).toEqual(Object.keys(samplers).toSorted());
});

describe('the options of a timestep schedule', () => {
  it('have entries for every schedule', () => {
    expect(curriculumSchema.options.map(typeOf).toSorted()).toEqual(Object.keys(timestepSchedules).toSorted());
  });

  describeCurricula();
  it.each(curriculumSchema.options.map((option) => [typeOf(option), option] as const))(
    'are those of %s, with its defaults',
    (type, option) => {
      const name = type as TimestepScheduleName;
      const defaults = timestepScheduleDefaults[name];
      expect(Object.keys(option.shape).toSorted()).toEqual(['type', ...Object.keys(defaults)].toSorted());
      expect(option.safeParse({ type, ...defaults }).success).toBe(true);
      const { properties } = z.toJSONSchema(option) as { properties: Record<string, { default?: unknown }> };
      // The default of new configurations; @dm/curriculum keeps the one of earlier versions.
      const own = 'coordinateDefaults' in defaults ? { coordinateDefaults: true } : {};
      for (const [field, value] of Object.entries({ ...defaults, ...own })) {
        expect(properties[field]!.default).toEqual(value);
      }

      const context = {
        numTimesteps: 50,
        totalSteps: 10,
        alphasCumprod: Float64Array.from({ length: 50 }, (_, t) => 0.99 - t / 55),
      };
      const schema = option as unknown as z.ZodObject;
      const isCreated = (field: string, value: unknown): boolean => {
        try {
          createTimestepSchedule(name, context, { [field]: value });
          return true;
        } catch {
          return false;
        }
      };
      const missing = Object.keys(defaults).flatMap((field) =>
        values
          // The schedules use any value of importanceCorrection as a condition.
          .filter((value) => field !== 'importanceCorrection' || typeof value === 'boolean')
          .filter((value) => isCreated(field, value) && !schema.safeParse({ type, [field]: value }).success)
          .map((value) => ({ field, value })),
      );
      expect(missing).toEqual([]);
    },
  );

  it('have entries for every schedule', () => {
    expect(curriculumSchema.options.map((option) => typeOf(option as unknown as z.ZodObject)).toSorted()).toEqual(
      Object.keys(timestepScheduleDefaults).toSorted(),
    );
  });
});

const resolve = (value: unknown) => resolveConfig([{ source: 'my.yaml', value: value as PartialConfig }]);

describe('an error of an option', () => {
  it.each([
    [{ model: { type: 'dit', depht: 2 } }, ['my.yaml', '"model.depht"', 'mean "depth"']],
    [{ model: { block_out_channel: [8] } }, ['my.yaml', '"model.block_out_channel"', 'mean "block_out_channels"']],
    [{ curriculum: { type: 'clts', sgima: 1 } }, ['my.yaml', '"curriculum.sgima"', 'mean "sigma"']],
    [{ curriculum: { type: 'laplace', center: 1 } }, ['my.yaml', '"curriculum.center"', 'mu, b']],
  ])('names the file, the path, and the nearest name: %j', (value, contains) => {
    expect(() => resolve(value)).toThrowWith({ type: UserError, code: 'CONFIG_UNKNOWN_FIELD', contains });
  });

  it.each([
    [{ model: { type: 'dit', depth: 0 } }, ['model.depth', 'at least 1', 'got 0 (my.yaml)']],
    [{ model: { type: 'dit', depth: 1.5 } }, ['model.depth', 'integer', 'got 1.5 (my.yaml)']],
    [{ model: { type: 'uvit', qkv_bias: 'yes' } }, ['model.qkv_bias', 'boolean', 'got "yes" (my.yaml)']],
    [{ model: { sample_size: 'big' } }, ['model.sample_size', 'number', ' or ', 'got "big" (my.yaml)']],
    [{ model: { depth: 2 } }, ['model.depth', 'type unet', 'got 2 (my.yaml)']],
    [
      { model: { down_block_types: ['DownBlock'] } },
      ['model.down_block_types.0', 'mean "DownBlock2D"', 'got "DownBlock" (my.yaml)'],
    ],
    [{ model: { block_out_channels: [] } }, ['model.block_out_channels', 'length of at least 1', 'got [] (my.yaml)']],
    [{ curriculum: { type: 'clts', sigma: -1 } }, ['curriculum.sigma', 'more than 0', 'got -1 (my.yaml)']],
    [{ curriculum: { ramp: 'liner' } }, ['curriculum.ramp', 'mean "linear"', 'got "liner" (my.yaml)']],
    [{ curriculum: { type: 'speed', k: null } }, ['curriculum.k', 'number', 'got null (my.yaml)']],
    [{ curriculum: { b: 1 } }, ['curriculum.b', 'type clts', 'got 1 (my.yaml)']],
  ])('names the file, the path, the value, and what is possible: %j', (value, contains) => {
    expect(() => resolve(value)).toThrowWith({ type: UserError, code: 'CONFIG_INVALID', contains });
  });

  it.each([
    [{ imageSize: 30 }, 'imageSize of my.yaml'],
    [{ imageSize: 32, crop: { size: 30, at: 'center' } }, 'crop.size of my.yaml'],
  ] as const)('names the size of the images where the model takes it from them: %j', (value, source) => {
    const config = resolve(value);
    const { type: _, ...options } = config.model;
    const create = () => modelTypes.unet.create({ ...options, sample_size: 30 });
    expect(() => explainPart('model', config, create)).toThrowWith({
      type: UserError,
      code: 'CONFIG_INVALID',
      contains: ['model.sample_size', 'got 30', source],
    });
  });

  it('that only the whole component shows names the same', () => {
    const dit = resolve({ model: { type: 'dit', hidden_size: 30, num_heads: 4 } });
    const { type, ...options } = dit.model;
    expect(() => explainPart('model', dit, () => modelTypes[type].create(options))).toThrowWith({
      type: UserError,
      code: 'CONFIG_INVALID',
      contains: ['model.hidden_size', 'num_heads, 4', 'got 30 (my.yaml)'],
    });
    const { curriculum } = resolve({ curriculum: { type: 'speed', tau: 70 } });
    const create = () => createTimestepSchedule('speed', { numTimesteps: 50, totalSteps: 1 }, { tau: 70 });
    expect(() => explainPart('curriculum', { ...dit, curriculum }, create)).toThrowWith({
      type: UserError,
      code: 'CONFIG_INVALID',
      contains: ['curriculum.tau', '50', 'got 70 (my.yaml)'],
    });
  });

  it('leaves notes of a model alone', () => {
    const notes = { _class_name: 'UNet2DModel', _diffusers_version: '0.30.0' };
    expect(resolve({ model: { ...notes } }).model).toMatchObject(notes);
  });
});
