import { describe, expect, it } from 'vitest';
import { objectives } from '../config/objectives.js';
import { presets } from '../config/presets.js';
import { resolveConfig } from '../config/resolve.js';
import type { PartialConfig } from '../config/schema.js';
import { UserError } from '../errors.js';
import { createDenoiser } from './denoiser.js';
import { createTrainingSetup } from './training-setup.js';

const source = {
  name: 'digits',
  shape: [8, 8, 1] as const,
  classes: [],
  read: () => Promise.reject(new Error('not read')),
};
const setupOf = (...parts: PartialConfig[]) =>
  createTrainingSetup(resolveConfig(parts.map((value) => ({ source: 'test', value }))), source);
const labeled = { ...source, classes: ['0', '1', '2'] };

const dit: PartialConfig = { model: { type: 'dit' }, conditional: false };

describe('objectives', () => {
  it.each(Object.entries(objectives))('%s is complete, on every model that can have it', (name, value) => {
    for (const type of ['unet', 'dit', 'uvit'] as const) {
      const part = { ...dit, model: { type } };
      if (name === 'learned-variance' && type === 'uvit') continue;
      const { config, model } = setupOf(part, value);
      expect(model.outChannels).toBe(config.diffusion.variance === null ? 1 : 2);
    }
  });

  it.each(Object.entries(presets))('the preset %s', (_, { model: _model, ...preset }) => {
    const config = resolveConfig([{ source: 'test', value: { ...preset, model: { type: 'dit' } } }]);
    expect(() => createTrainingSetup(config, labeled)).not.toThrow();
  });

  it('the guided preset names what to change for data without classes', () => {
    expect(() => setupOf({ preset: 'mnist-fast' }, dit)).toThrowWith({
      type: UserError,
      contains: ['labelDropout to null', 'sampler.guidance to 1'],
    });
    expect(() =>
      setupOf({ preset: 'mnist-fast' }, dit, { labelDropout: null, sampler: { guidance: 1 } }),
    ).not.toThrow();
  });
});

describe('refused, with the remedy', () => {
  const flow = objectives['flow']!;
  const edm = objectives['edm']!;
  it.each<[string, PartialConfig[], string[]]>([
    [
      'edm without its prediction',
      [edm, { diffusion: { prediction: 'v' } }],
      ['schedule is edm', 'is v', 'prediction=edm'],
    ],
    [
      'epsilon of a flow',
      [flow, { diffusion: { prediction: 'epsilon' } }],
      ['diffusion.schedule is flow', 'pure noise', 'diffusion.prediction=flow'],
    ],
    [
      'a weighting of v on a flow',
      [flow, { diffusion: { prediction: 'v' }, lossWeighting: 'minSnr' }],
      ['minSnr', 'lossWeighting=constant', 'diffusion.prediction=flow'],
    ],
    [
      'a loss in v on a flow, weighted',
      [flow, { diffusion: { prediction: 'x0', loss: { type: 'v', maxWeight: 400 } }, lossWeighting: 'minSnr' }],
      ['minSnr', 'lossWeighting=constant', 'diffusion.loss=flow'],
    ],
    [
      'a factor without bound',
      [flow, { diffusion: { prediction: 'x0', loss: 'flow' } }],
      ['x0', 'without bound', 'diffusion.loss.maxWeight', '400'],
    ],
    [
      'a learned variance of a flow',
      [flow, { diffusion: { variance: 'learnedRange' } }],
      ['learnedRange', 'schedule is flow', 'diffusion.variance=null'],
    ],
    [
      'a learned variance of edm',
      [edm, { diffusion: { variance: 'learnedRange' } }],
      ['learnedRange', 'schedule is edm', 'diffusion.variance=null'],
    ],
    [
      'a table of timesteps on a flow',
      [flow, { model: { type: 'unet', time_embedding_type: 'learned', num_train_timesteps: 1000 } }],
      ['time_embedding_type is learned', 'schedule is flow', 'time_embedding_type=positional'],
    ],
    [
      'a table of timesteps on edm',
      [edm, { model: { type: 'unet', time_embedding_type: 'fourier' } }],
      ['time_embedding_type is fourier', 'edm', 'negative', 'time_embedding_type=positional'],
    ],
    [
      'fourier embedding of timestep 0',
      [{ model: { type: 'unet', time_embedding_type: 'fourier' } }],
      ['time_embedding_type is fourier', 'may be 0'],
    ],
    [
      'learned embedding with sigma',
      [edm, { model: { type: 'unet', time_embedding_type: 'learned', num_train_timesteps: 1000 } }],
      ['time_embedding_type is learned', 'schedule is edm', 'schedule such as linear'],
    ],
    [
      'more timesteps than rows',
      [
        {
          model: { type: 'unet', time_embedding_type: 'learned', num_train_timesteps: 99 },
          diffusion: { timesteps: 100 },
        },
      ],
      ['timesteps is 100', '99 rows', 'num_train_timesteps=100', 'at most 99'],
    ],
    [
      'a learned variance of a scaled input',
      [{ diffusion: { prediction: 'edm', variance: 'learnedRange' } }],
      ['learnedRange', 'prediction edm', 'epsilon, x0 or v'],
    ],
    [
      'a learned variance of uvit',
      [{ model: { type: 'uvit' }, diffusion: { variance: 'learnedRange' } }],
      ['uvit', 'diffusion.variance=null', 'unet, dit'],
    ],
    [
      'timesteps of a flow',
      [flow, { sampler: { path: 'discrete' } }],
      ['path is discrete', 'flow', 'sampler.path=flow'],
    ],
    ['sigmas of a flow', [flow, { sampler: { path: 'karras' } }], ['path is karras', 'sampler.path=flow']],
    ['timesteps of edm', [edm, { sampler: { path: 'discrete' } }], ['path is discrete', 'sampler.path=edm or karras']],
    [
      'a first timestep of edm',
      [edm, { sampler: { path: { final: 'first' } } }],
      ['sampler.path.final is first', 'sampler.path.final=clean'],
    ],
  ])('%s', (_, parts, contains) => {
    expect(() => setupOf(dit, ...parts)).toThrowWith({ type: UserError, code: 'CONFIG_INVALID', contains });
  });

  it('output channels without a variance, and a variance without them', () => {
    const mismatch = { type: UserError, code: 'DATA_MISMATCH' } as const;
    expect(() => setupOf(dit, { model: { learn_sigma: true } })).toThrowWith({
      ...mismatch,
      contains: ['2 output channels', 'must have 1', 'diffusion.variance=learnedRange'],
    });
    expect(() => setupOf(dit, { model: { learn_sigma: false }, diffusion: { variance: 'learnedRange' } })).toThrowWith({
      ...mismatch,
      contains: ['1 output channels', 'must have 2', 'diffusion.variance'],
    });
  });
});

describe('the noise levels in continuous time', () => {
  const denoiserOf = (...parts: PartialConfig[]) =>
    createDenoiser(
      resolveConfig(
        [dit, { model: { input_size: 8, in_channels: 1 } as never }, ...parts].map((value) => ({
          source: 'test',
          value,
        })),
      ),
    );

  it('of a flow: the time after the shift, times timeScale', () => {
    const { continuous, noiseSchedule } = denoiserOf(objectives['flow']!, {
      diffusion: { schedule: { shift: 3, timeScale: 100 }, timesteps: 4 },
    });
    expect(continuous!.levelAt(0.5)).toEqual({ t: 75, alpha: 0.25, sigma: 0.75 });
    for (const end of [0, 1]) {
      const { alpha, sigma } = continuous!.levelAt(end);
      expect(Math.min(alpha, sigma)).toBeGreaterThan(0);
    }
    // The center of the first cell is 1 / 8, shifted 0.3.
    const abar = noiseSchedule.alphasCumprod[0]!;
    expect(abar / (1 - abar)).toBeCloseTo((0.7 / 0.3) ** 2, 10);
  });

  it('of EDM: sigma, given to the network as ln(sigma) / 4', () => {
    const { continuous } = denoiserOf(objectives['edm']!);
    expect(continuous!.levels).toEqual({ coordinate: 'lnSigma', min: Math.log(0.002), max: Math.log(80) });
    expect(continuous!.levelAt(-1.2)).toEqual({ t: -0.3, alpha: 1, sigma: Math.exp(-1.2) });
    expect(continuous!.levelOfLogSnr(2.4).sigma).toBeCloseTo(Math.exp(-1.2), 14);
  });
});
