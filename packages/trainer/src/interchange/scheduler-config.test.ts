import { noiseScheduleFromConfig, noiseSchedules } from '@dm/core';
import { describe, expect, it } from 'vitest';
import type { Config } from '../config/schema.js';
import { readScheduler, schedulerFields } from './scheduler-config.js';
import { UserError } from '../errors.js';

type Diffusion = Config['diffusion'];

const plain: Diffusion = { schedule: { type: 'linear' }, timesteps: 1000, prediction: { type: 'epsilon' } };
const names = Object.keys(noiseSchedules).filter((name) => name !== 'betas') as Exclude<
  Diffusion['schedule']['type'],
  'betas'
>[];

const cases: Diffusion[] = [
  ...names.map((type) => ({ ...plain, schedule: { type } })),
  { ...plain, prediction: { type: 'v' }, timesteps: 20 },
  { ...plain, schedule: { type: 'linear', zeroTerminalSnr: true }, prediction: { type: 'x0' } },
  { ...plain, schedule: { type: 'betas', betas: [0.1, 0.2, 0.3] }, timesteps: 3 },
  { ...plain, schedule: { type: 'scaled-linear', betaStart: 0.001, betaEnd: 0.03 } },
];

/** What an exported file has. */
const file = (diffusion: Diffusion, change: object = {}) => ({
  _class_name: 'DDPMScheduler',
  ...schedulerFields(diffusion),
  ...change,
});

it.each(cases)('%j comes back, with nothing to note', (diffusion) => {
  expect(readScheduler(file(diffusion), 'x.json')).toEqual({ diffusion, notes: [] });
});

it.each(names.filter((name) => name !== 'cosine'))("the ends of %s's betas are those that it has by itself", (name) => {
  const { beta_start: betaStart, beta_end: betaEnd } = schedulerFields({ ...plain, schedule: { type: name } });
  const given = noiseScheduleFromConfig({ name, betaStart, betaEnd } as Parameters<typeof noiseScheduleFromConfig>[0]);
  expect(given.betas).toEqual(noiseScheduleFromConfig({ name }).betas);
});

it('has no word for edm', () => {
  expect(() => schedulerFields({ ...plain, prediction: { type: 'edm' } })).toThrowWith({
    type: UserError,
    code: 'PIPELINE_UNSUPPORTED',
    contains: ['prediction edm', 'c_in', 'onnx and safetensors'],
  });
});

it("fields left out have diffusers' defaults: the file of google/ddpm-cifar10-32", () => {
  const published = {
    _class_name: 'DDPMScheduler',
    _diffusers_version: '0.1.1',
    beta_end: 0.02,
    beta_schedule: 'linear',
    beta_start: 0.0001,
    clip_sample: true,
    num_train_timesteps: 1000,
    trained_betas: null,
    variance_type: 'fixed_large',
  };
  expect(readScheduler(published, 'x.json')).toEqual({
    diffusion: plain,
    notes: [expect.stringMatching(/variance_type is "fixed_large".*x\.json.*"fixed_small"/)],
  });
});

it('notes what diffusers would do in sampling and dm does not', () => {
  const change = { clip_sample: false, timestep_spacing: 'trailing', sample_max_value: 2 };
  const { notes } = readScheduler(file(plain, change), 'x.json');
  // sample_max_value acts with thresholding alone.
  expect(notes.map((note) => note.split(' ')[0])).toEqual(['clip_sample', 'timestep_spacing']);
  const thresholding = readScheduler(file(plain, { thresholding: true, sample_max_value: 2 }), 'x.json').notes;
  expect(thresholding.map((note) => note.split(' ')[0])).toEqual(['sample_max_value', 'thresholding']);
});

describe('is refused by name', () => {
  it.each<[object, string[]]>([
    [{ _class_name: 'PNDMScheduler' }, ['is PNDMScheduler', 'DDPMScheduler and DDIMScheduler']],
    [{ beta_schedule: 'laplace' }, ['beta_schedule is "laplace"', 'linear, scaled_linear, squaredcos_cap_v2, sigmoid']],
    [{ prediction_type: 'flow_prediction' }, ['prediction_type is "flow_prediction"', 'epsilon, sample, v_prediction']],
    [{ trained_betas: [0.1, 0.2] }, ['trained_betas', '1000 timesteps', 'got [0.1,0.2]']],
    [{ num_train_timesteps: '1000' }, ['num_train_timesteps', 'a number', 'got "1000"']],
    [{ rescale_betas_zero_snr: 1 }, ['rescale_betas_zero_snr', 'true or false', 'got 1']],
    [{ set_alpha_to_one: true }, ['unknown field "set_alpha_to_one"', 'DDPMScheduler']],
    [{ beta_stat: 0.1, skip: 1 }, ['unknown field "beta_stat"', 'mean "beta_start"', 'unknown field "skip"']],
  ])('%j', (change, contains) => {
    expect(() => readScheduler(file(plain, change), 'x.json')).toThrowWith({
      type: UserError,
      code: 'PIPELINE_UNSUPPORTED',
      contains: ['x.json', ...contains],
    });
  });
});
