import { noiseScheduleFromConfig, noiseSchedules } from '@dm/core';
import { describe, expect, it } from 'vitest';
import type { DiffusionConfig as Diffusion, DiscreteScheduleConfig, SamplingConfig } from './diffusion-config.js';
import { PipelineError } from './pipeline-error.js';
import { readScheduler, writeScheduler } from './scheduler-config.js';

const plain: Diffusion = {
  schedule: { type: 'linear' },
  timesteps: 1000,
  prediction: { type: 'epsilon' },
  variance: null,
};
const names = Object.keys(noiseSchedules).filter((name) => name !== 'betas') as Exclude<
  DiscreteScheduleConfig['type'],
  'betas'
>[];

const cases: Diffusion[] = [
  ...names.map((type) => ({ ...plain, schedule: { type } })),
  { ...plain, prediction: { type: 'v' }, timesteps: 20 },
  { ...plain, schedule: { type: 'linear', zeroTerminalSnr: true }, prediction: { type: 'x0' } },
  { ...plain, schedule: { type: 'betas', betas: [0.1, 0.2, 0.3] }, timesteps: 3 },
  { ...plain, schedule: { type: 'scaled-linear', betaStart: 0.001, betaEnd: 0.03 } },
];

const sampler = {
  type: 'ddim',
  steps: 50,
  guidance: 1,
  guidanceInterval: null,
  path: { type: 'discrete' },
  clipping: { type: 'range', max: 1 },
} as SamplingConfig;

/** What an exported file has. */
const file = (diffusion: Diffusion, change: object = {}, part = sampler) => {
  const { className, fields } = writeScheduler(diffusion, part);
  return { _class_name: className, ...fields, ...change };
};

it.each(cases)('%j comes back, with nothing to note', (diffusion) => {
  expect(readScheduler(file(diffusion), 'x.json')).toMatchObject({ diffusion, notes: [], ignored: [] });
});

const discrete = { type: 'discrete', spacing: 'leading' } as const;
it.each<Partial<SamplingConfig>>([
  { type: 'ddim', clipping: null, path: { ...discrete, stepsOffset: 1, final: 'first' } },
  { type: 'ddim', path: { ...discrete, spacing: 'linspace', final: 'clean', stepEnd: 'stride' } },
  { type: 'ddim', clipping: { type: 'range', max: 0.5 }, path: { ...discrete, final: 'clean' } },
  { type: 'ddpm', steps: 1000, variance: 'fixedLarge', path: { ...discrete, spacing: 'trailing' } },
  { type: 'ddpm', steps: 1000, variance: 'learnedRange', path: discrete },
  {
    type: 'ddpm',
    steps: 1000,
    clipping: { type: 'threshold', quantile: 0.9, max: 2 },
    variance: 'fixedSmall',
    path: discrete,
  },
])('the sampler %j comes back', (part) => {
  const whole = { ...sampler, ...part } as SamplingConfig;
  expect(writeScheduler(plain, whole).notes).toEqual([]);
  expect(readScheduler(file(plain, {}, whole), 'x.json').sampler).toEqual(whole);
});

it.each<[Partial<SamplingConfig>, RegExp]>([
  [{ type: 'heun' }, /heun.*DDPMScheduler/],
  [{ path: { type: 'karras' } }, /path karras/],
  [{ type: 'ddpm', path: { ...discrete, final: 'first' } }, /clean/],
  [{ path: { ...discrete, spacing: 'linspace' } }, /stepEnd/],
  [{ path: { ...discrete, spacing: 'leading-dpm' } }, /leading-dpm.* leading/],
  [{ steps: 30, path: { ...discrete, spacing: 'trailing' } }, /stepEnd/],
  [{ type: 'ddim', eta: 0.5 }, /eta=0.5/],
  [{ type: 'ddim', useClippedOutput: true }, /use_clipped_model_output/],
])('notes what a scheduler of diffusers cannot say: %j', (part, message) => {
  const { notes } = writeScheduler(plain, { ...sampler, ...part } as SamplingConfig);
  expect(notes).toEqual([expect.stringMatching(message)]);
});

it('writes trailing spacing for zero terminal SNR, the spacing that such a run samples with', () => {
  const zero: Diffusion = { ...plain, schedule: { type: 'linear', zeroTerminalSnr: true }, prediction: { type: 'v' } };
  expect(file(zero)).toMatchObject({ timestep_spacing: 'trailing', rescale_betas_zero_snr: true });
  expect(file(plain)).toMatchObject({ timestep_spacing: 'leading' });
});

it('writes DDPMScheduler for the sigmoid schedule, which DDIMScheduler does not have', () => {
  expect(writeScheduler({ ...plain, schedule: { type: 'sigmoid' } }, sampler).className).toBe('DDPMScheduler');
});

it.each(names.filter((name) => name !== 'cosine'))("the ends of %s's betas are those that it has by itself", (name) => {
  const { beta_start: betaStart, beta_end: betaEnd } = writeScheduler(
    { ...plain, schedule: { type: name } },
    sampler,
  ).fields;
  const given = noiseScheduleFromConfig({ name, betaStart, betaEnd } as Parameters<typeof noiseScheduleFromConfig>[0]);
  expect(given.betas).toEqual(noiseScheduleFromConfig({ name }).betas);
});

it('refuses the prediction edm', () => {
  expect(() => writeScheduler({ ...plain, prediction: { type: 'edm' } }, sampler)).toThrowWith({
    type: PipelineError,
    code: 'PIPELINE_UNSUPPORTED',
    contains: ['prediction edm', 'c_in', 'onnx', 'safetensors'],
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
    sampler: {
      type: 'ddpm',
      steps: 1000,
      variance: 'fixedLarge',
      path: { type: 'discrete', spacing: 'leading' },
      clipping: { type: 'range', max: 1 },
      guidance: 1,
      guidanceInterval: null,
    },
    notes: [],
    ignored: [],
  });
});

it('notes the variances that diffusers has and this package has not', () => {
  const ddpm = { ...sampler, type: 'ddpm' } as const;
  const { notes } = readScheduler(file(plain, { variance_type: 'learned' }, ddpm), 'x.json');
  expect(notes).toEqual([expect.stringContaining('variance_type')]);
});

it('ignores the fields of other schedulers, which from_config leaves in a file, with a note', () => {
  const more = { variance_type: 'fixed_small', final_sigmas_type: 'zero' };
  const read = readScheduler(file(plain, more), 'x.json');
  expect(read).toEqual({
    ...readScheduler(file(plain), 'x.json'),
    ignored: [expect.stringMatching(/x\.json.*DDIMScheduler.*variance_type, final/)],
  });
  const many = Object.fromEntries(Array.from({ length: 25 }, (_, i) => [`field${i}`, i]));
  expect(readScheduler({ _class_name: 'EDMEulerScheduler', ...many }, 'x.json').ignored).toEqual([
    expect.stringMatching(/field19, and 5 more$/),
  ]);
});

it('a DDIM pipeline with leading spacing may be sampled by any sampler', () => {
  expect(readScheduler(file(plain), 'x.json').sampler.path).not.toHaveProperty('stepEnd');
  const { path } = readScheduler(file(plain, { timestep_spacing: 'linspace' }), 'x.json').sampler;
  expect(path).toMatchObject({ spacing: 'linspace', stepEnd: 'stride' });
});

describe('is refused by name', () => {
  it.each<[object, string[]]>([
    [{ _class_name: 'PNDMScheduler' }, ['is PNDMScheduler', 'DDPMScheduler, DDIMScheduler', 'EDMEulerScheduler']],
    [{ _class_name: { toString: 1 } }, ['is {"toString":1}', 'DDPMScheduler, DDIMScheduler']],
    [{ beta_schedule: 'laplace' }, ['beta_schedule is "laplace"', 'linear, scaled_linear, squaredcos_cap_v2, sigmoid']],
    [{ prediction_type: 'flow_prediction' }, ['prediction_type is "flow_prediction"', 'epsilon, sample, v_prediction']],
    [{ trained_betas: [0.1, 0.2] }, ['trained_betas', '1000 timesteps', 'got [0.1,0.2]']],
    [{ num_train_timesteps: '1000' }, ['num_train_timesteps', 'a number', 'got "1000"']],
    [{ rescale_betas_zero_snr: 1 }, ['rescale_betas_zero_snr', 'true or false', 'got 1']],
    [{ timestep_spacing: 'log' }, ['timestep_spacing', 'leading, trailing, linspace', 'got "log"']],
    [{ clip_sample: 1 }, ['clip_sample', 'true or false', 'got 1']],
    [{ clip_sample_range: 'x' }, ['clip_sample_range', 'a number', 'got "x"']],
    [{ steps_offset: [1] }, ['steps_offset', 'a number', 'got [1]']],
  ])('%j', (change, contains) => {
    expect(() => readScheduler(file(plain, change), 'x.json')).toThrowWith({
      type: PipelineError,
      code: 'PIPELINE_UNSUPPORTED',
      contains: ['x.json', ...contains],
    });
  });
});

describe('continuous time', () => {
  const flow: Diffusion = { ...plain, schedule: { type: 'flow', shift: 3 }, prediction: { type: 'flow' } };
  const onFlow = { ...sampler, type: 'euler', steps: 20, path: { type: 'flow' }, clipping: null } as const;
  const edm: Diffusion = {
    ...plain,
    schedule: { type: 'edm', sigmaMax: 40 },
    prediction: { type: 'edm', sigmaData: 0.4 },
  };
  const onEdm = { ...sampler, type: 'euler', path: { type: 'edm', rho: 5 }, clipping: null } as const;

  it('a flow has the shift of its path, also if that depends on the number of tokens', () => {
    const path = { type: 'flow', dynamicShift: { tokens: 4096 } } as const;
    expect(writeScheduler(flow, { ...onFlow, path }).fields['shift']).toBeCloseTo(Math.exp(1.15), 12);
    expect(writeScheduler(flow, { ...onFlow, path: { type: 'flow', shift: 2 } }).fields['shift']).toBe(2);
    const asThere = { type: 'flow', spacing: 'flow-match-euler' } as const;
    expect(writeScheduler(flow, { ...onFlow, path: asThere }).notes).toEqual([]);
  });

  it('a flow is FlowMatchEulerDiscreteScheduler, with the times to give', () => {
    const { className, fields, notes } = writeScheduler(flow, onFlow);
    expect(className).toBe('FlowMatchEulerDiscreteScheduler');
    expect(fields).toEqual({ num_train_timesteps: 1000, shift: 3 });
    expect(notes).toEqual([expect.stringContaining('numpy.linspace(1, 1 / 20, 20)')]);
    expect(writeScheduler(flow, { ...onFlow, path: { type: 'flow', shift: 2 } }).fields).toMatchObject({ shift: 2 });
  });

  it('EDM is EDMEulerScheduler, whose input must be scaled', () => {
    const { className, fields, notes } = writeScheduler(edm, onEdm);
    expect(className).toBe('EDMEulerScheduler');
    expect(fields).toMatchObject({
      sigma_min: 0.002,
      sigma_max: 40,
      sigma_data: 0.4,
      rho: 5,
      prediction_type: 'epsilon',
    });
    expect(notes).toEqual([expect.stringContaining('scale_model_input')]);
  });

  it('notes another sampler, and clipping', () => {
    const { notes } = writeScheduler(flow, { ...onFlow, type: 'heun', clipping: { type: 'range' } });
    expect(notes).toEqual(expect.arrayContaining([expect.stringContaining('heun'), expect.stringContaining('clip')]));
  });

  it.each<[Diffusion, string[]]>([
    [{ ...flow, prediction: { type: 'x0' } }, ['x0', 'FlowMatchEulerDiscreteScheduler', 'velocity', 'onnx']],
    [{ ...flow, schedule: { type: 'flow', timeScale: 0.5 } }, ['timeScale 0.5', 'integer', 'onnx']],
    [{ ...plain, prediction: { type: 'flow' } }, ['flow', 'linear', 'diffusion.schedule=flow']],
  ])('refuses %j', (diffusion, contains) => {
    expect(() => writeScheduler(diffusion, onFlow)).toThrowWith({
      type: PipelineError,
      code: 'PIPELINE_UNSUPPORTED',
      contains,
    });
  });

  it('a learned variance needs DDPMScheduler', () => {
    const { className, fields } = writeScheduler({ ...plain, variance: { type: 'learnedRange' } }, sampler);
    expect(className).toBe('DDPMScheduler');
    expect(fields).toMatchObject({ variance_type: 'learned_range' });
  });
});
