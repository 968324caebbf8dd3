import { discretePath, edmSigmas, linearSchedule, noisePathFromConfig, rescaleZeroTerminalSnr } from '@dm/core';
import { openEagerEngine } from '@dm/ops';
import { describe, expect, it } from 'vitest';
import type { PartialConfig } from '../config/schema.js';
import { presets } from '../config/presets.js';
import { resolveConfig } from '../config/resolve.js';
import { UserError } from '../errors.js';
import { createDenoiser, createNoiseSchedule } from '../setup/denoiser.js';
import { continuousProcess } from '../setup/noise-process.js';
import { createDenoiserSampler, samplingPath } from './denoiser-sampler.js';

const schedule = linearSchedule();
const zero = rescaleZeroTerminalSnr(schedule);
const timesteps = (path: ReturnType<typeof noisePathFromConfig>) => path.levels.map(({ t }) => t);

describe('the path of a configuration', () => {
  it('is by default that of all runs so far, with x_0 in [-1, 1]', () => {
    for (const [preset, { diffusion }] of Object.entries(presets)) {
      if (continuousProcess(diffusion) !== undefined) continue;
      const { sampler } = resolveConfig([{ source: 'test', value: { preset } }]);
      const { levelFromSigma: _, ...path } = noisePathFromConfig(sampler, schedule);
      expect(path).toEqual({ ...discretePath(schedule, { steps: sampler.steps }), levelFromSigma: undefined });
      expect(sampler).toMatchObject({ clipping: { type: 'range', max: 1 } });
    }
  });

  it('is leading, or trailing with zero terminal SNR, unless it says otherwise', () => {
    const path = { type: 'discrete' } as const;
    expect(timesteps(noisePathFromConfig({ steps: 4, path }, schedule))).toEqual([750, 500, 250, 0, -1]);
    expect(timesteps(noisePathFromConfig({ steps: 4, path }, zero))).toEqual([999, 749, 499, 249, -1]);
    const leading = { ...path, spacing: 'leading' } as const;
    expect(timesteps(noisePathFromConfig({ steps: 4, path: leading }, zero))).toEqual([750, 500, 250, 0, -1]);
    // A last beta of 1 is zero terminal SNR too.
    const betas = resolveConfig([
      { source: 'test', value: { diffusion: { schedule: { type: 'betas', betas: [0.1, 0.5, 1] }, timesteps: 3 } } },
    ]);
    expect(timesteps(noisePathFromConfig({ steps: 1, path }, createNoiseSchedule(betas.diffusion)))).toEqual([2, -1]);
  });

  it('has every option of @dm/core', () => {
    const steps = 5;
    const options = { spacing: 'leading', stepsOffset: 1, final: 'first', stepEnd: 'stride' } as const;
    expect(timesteps(noisePathFromConfig({ steps, path: { type: 'discrete', ...options } }, schedule))).toEqual(
      timesteps(discretePath(schedule, { steps, ...options })),
    );
    const first = edmSigmas(schedule)[0]!;
    const ratio = ({ alpha, sigma }: { alpha: number; sigma: number }) => sigma / alpha;
    const karras = noisePathFromConfig({ steps, path: { type: 'karras', rho: 5, final: 'first' } }, schedule);
    expect(karras.levels.map(ratio)).toEqual(
      discretePath(schedule, { steps, karras: { rho: 5 }, final: 'first' }).levels.map(ratio),
    );
    const edm = noisePathFromConfig({ steps, path: { type: 'edm' } }, schedule).levels.map(ratio);
    expect([edm[0], edm[4]]).toEqual([expect.closeTo(80, 8), expect.closeTo(first, 8)]);
    const narrow = noisePathFromConfig(
      { steps, path: { type: 'edm', sigmaMin: 0.1, sigmaMax: 10 } },
      schedule,
    ).levels.map(ratio);
    expect([narrow[0], narrow[4]]).toEqual([expect.closeTo(10, 8), expect.closeTo(0.1, 8)]);
    const flow = noisePathFromConfig({ steps, path: { type: 'flow', shift: 2 } }, schedule).levels.map(ratio);
    expect(flow[1]! / (1 + flow[1]!)).toBeCloseTo(1.6 / 1.8, 8);
  });
});

const samplers: PartialConfig['sampler'][] = [
  { type: 'ddpm', variance: 'fixedLarge', path: { spacing: 'trailing' } },
  { type: 'ddim', eta: 0.5, useClippedOutput: true, path: { stepsOffset: 1, final: 'first', stepEnd: 'stride' } },
  { type: 'heun', churn: { amount: 2, min: 0.1, max: 50, std: 1.003 }, path: { type: 'karras', rho: 5 } },
  { type: 'heun', variable: 'flow', path: { type: 'flow', shift: 2 } },
  { type: 'dpmpp-2m', lowerOrderFinal: 'never', clipping: null },
  { type: 'dpmpp-2m-sde', clipping: { type: 'threshold', quantile: 0.9, max: 2 } },
  { type: 'unipc', order: 3, path: { type: 'edm', sigmaMax: 20 } },
  { type: 'euler-ancestral', clipping: { type: 'range', max: 0.5 } },
  { type: 'euler-ancestral', eta: 0.5, noiseStd: 1.1, path: { type: 'exponential', sigmaMax: 20 } },
  { type: 'euler', churn: { amount: 2, std: 1.003 }, path: { type: 'beta', alpha: 0.5, beta: 0.7 } },
  { type: 'lms', order: 3, path: { spacing: 'linspace-euler' } },
  { type: 'dpm-2', churn: { amount: 1 } },
  { type: 'dpm-2-ancestral', eta: 0.5, noiseStd: 1 },
  { type: 'dpmpp-2s-ancestral', eta: 0, path: { type: 'flow', spacing: 'flow-match-euler', shift: 2 } },
  { type: 'dpmpp-2m', eulerAtFinal: true, solverType: 'heun', path: { spacing: 'linspace-dpm' } },
  { type: 'dpmpp-3m', lowerOrderFinal: 'never', path: { spacing: 'leading-dpm', stepsOffset: 1 } },
  { type: 'dpmpp-2m-sde', eta: 0.5, noiseStd: 1.1, solverType: 'heun' },
  { type: 'dpmpp-3m-sde', eta: 2, path: { type: 'flow', dynamicShift: { tokens: 64 } } },
  { type: 'unipc', solverType: 'bh1', disableCorrector: [0] },
];

const configOf = (sampler: PartialConfig['sampler'], diffusion: PartialConfig['diffusion'] = {}) => {
  const unet = { sample_size: 4, in_channels: 1, out_channels: 1, block_out_channels: [8, 8], norm_num_groups: 2 };
  const model: PartialConfig['model'] = {
    type: 'unet',
    ...unet,
    down_block_types: ['DownBlock2D', 'DownBlock2D'],
    up_block_types: ['UpBlock2D', 'UpBlock2D'],
    layers_per_block: 1,
    num_class_embeds: null,
  };
  const value: PartialConfig = { sampler: { steps: 4, ...(sampler as object) }, model, diffusion };
  return resolveConfig([{ source: 'test', value }]);
};

describe('the sampler of a configuration', () => {
  it.each(samplers)('%j', async (sampler) => {
    const engine = await openEagerEngine('tfjs-cpu');
    const denoiser = createDenoiser(configOf(sampler));
    const prepared = createDenoiserSampler(denoiser, engine, 'params');
    expect(prepared).toHaveProperty('sample');
    await prepared.dispose();
    await engine.dispose();
  });

  it.each<[PartialConfig['sampler'], PartialConfig['diffusion'], string[]]>([
    [{ path: { stepsOffset: 999 } }, {}, ['stepsOffset', 'got 999']],
    [{ type: 'unipc', path: { stepEnd: 'stride' } }, {}, ['stepEnd', '"stride"']],
    [{ path: { type: 'karras' } }, { schedule: { zeroTerminalSnr: true } }, ['karras', 'SNR 0']],
    [{ type: 'heun' }, { schedule: { zeroTerminalSnr: true } }, ['SNR 0', '"flow"']],
    [{}, { prediction: 'epsilon', schedule: { zeroTerminalSnr: true } }, ['epsilon', 'SNR 0']],
    [{ type: 'heun', churn: { amount: 1, min: 2, max: 1 } }, {}, ['churn.max', 'got 1']],
    [{ path: { type: 'exponential' } }, { schedule: { zeroTerminalSnr: true } }, ['exponential', 'SNR 0']],
    [{ path: { type: 'beta', sigmaMin: 3, sigmaMax: 2 } }, {}, ['beta.sigmaMax', 'sigmaMin, 3']],
    [{ path: { type: 'flow', shift: 2, dynamicShift: { tokens: 9 } } }, {}, ['shift or dynamicShift']],
  ])('that does not fit together is an error of the configuration: %j %j', async (sampler, diffusion, contains) => {
    const engine = await openEagerEngine('tfjs-cpu');
    const denoiser = createDenoiser(configOf(sampler, diffusion));
    expect(() => createDenoiserSampler(denoiser, engine, 'params')).toThrowWith({
      type: UserError,
      code: 'CONFIG_INVALID',
      contains,
    });
    await engine.dispose();
  });
});

describe('the path in continuous time', () => {
  const pathIn = (value: PartialConfig) => {
    const config = resolveConfig([{ source: 'test', value }]);
    return samplingPath({ config, noiseSchedule: createNoiseSchedule(config.diffusion) });
  };

  it('of a flow has the times of diffusers', () => {
    // FlowMatchEulerDiscreteScheduler(shift=3).set_timesteps(sigmas=np.linspace(1, 1 / 4, 4)), diffusers 58eb52c
    const path = { preset: 'mnist-flow', diffusion: { schedule: { shift: 3 } }, sampler: { steps: 4 } } as const;
    expect(timesteps(pathIn(path)).slice(0, 4)).toBeAllClose([1000, 900, 750, 500], { rtol: 1e-6 });
    const own = pathIn({ ...path, sampler: { steps: 2, path: { shift: 1 } } });
    expect(own.levels.map(({ sigma }) => sigma)).toEqual([1, 0.5, 0]);
  });

  it("of EDM is diffusers' too, with c_noise", () => {
    // EDMEulerScheduler(sigma_max=80).set_timesteps(4), diffusers 58eb52c
    const { levels } = pathIn({ preset: 'mnist-edm2', sampler: { steps: 4 } });
    expect(levels.map(({ sigma }) => sigma)).toBeAllClose([80, 9.723201751708984, 0.46997904777526855, 0.002, 0], {
      rtol: 1e-6,
    });
    expect(timesteps({ levels: levels.slice(0, 4), initialScale: 80 })).toBeAllClose(
      [1.0955066680908203, 0.56862872838974, -0.18876679241657257, -1.553652048110962],
      { rtol: 1e-6 },
    );
    const narrow = pathIn({
      preset: 'mnist-edm2',
      diffusion: { schedule: { sigmaMax: 40 } },
      sampler: { steps: 2, path: { sigmaMin: 0.01 } },
    });
    expect(narrow.levels.map(({ sigma }) => sigma)).toBeAllClose([40, 0.01, 0], { rtol: 1e-9 });
    expect(narrow.initialScale).toBeCloseTo(40, 10);
  });
});
