import { levelAt, linearSchedule } from '@dm/core';
import { describe, expect, it } from 'vitest';
import { noiseLevelInputs } from './batch.js';
import { createDenoiser } from '../setup/denoiser.js';
import { resolveConfig } from '../config/resolve.js';
import { UserError } from '../errors.js';

function configOf(diffusion: object) {
  const config = resolveConfig([{ source: 'test', value: { diffusion } }]);
  const model = {
    type: 'unet' as const,
    sample_size: 8,
    block_out_channels: [32],
    down_block_types: ['DownBlock2D' as const],
    up_block_types: ['UpBlock2D' as const],
  };
  return { ...config, model };
}

const levels = [0, 300, 999].map((t) => levelAt(linearSchedule(), t));
const denoiserOf = (diffusion: object) => createDenoiser(configOf(diffusion));

describe('what the network is given and should predict', () => {
  it("is EDM's, with the noise-to-signal ratio for its sigma", () => {
    const sd = 0.4;
    const { t, alpha, sigma, targetX0, targetNoise } = noiseLevelInputs(
      denoiserOf({ schedule: 'linear', prediction: { type: 'edm', sigmaData: sd } }),
      levels,
    );
    const [x0, noise] = [0.7, -1.3];
    expect([...t!.data]).toEqual([0, 300, 999]);
    levels.forEach((level, i) => {
      // Table 1 of Karras et al. 2022, arXiv:2206.00364, in its own terms: y = x_0 + s n.
      const s = level.sigma / level.alpha;
      const [cIn, cSkip] = [1 / Math.sqrt(s ** 2 + sd ** 2), sd ** 2 / (s ** 2 + sd ** 2)];
      const cOut = (s * sd) / Math.sqrt(s ** 2 + sd ** 2);
      const y = x0 + s * noise;
      expect(alpha!.data[i]! * x0 + sigma!.data[i]! * noise).toBeCloseTo(cIn * y, 5);
      // Eq. 8: the target of F.
      expect(targetX0!.data[i]! * x0 + targetNoise!.data[i]! * noise).toBeCloseTo((x0 - cSkip * y) / cOut, 4);
    });
  });

  it('is x_t itself for the other predictions', () => {
    const { alpha, sigma, targetX0, targetNoise } = noiseLevelInputs(
      denoiserOf({ schedule: 'linear', prediction: 'epsilon' }),
      levels,
    );
    expect([...alpha!.data]).toEqual(levels.map((l) => Math.fround(l.alpha)));
    expect([...sigma!.data]).toEqual(levels.map((l) => Math.fround(l.sigma)));
    expect([[...targetX0!.data], [...targetNoise!.data]]).toEqual([
      [0, 0, 0],
      [1, 1, 1],
    ]);
  });
});

describe('the noise schedule of a configuration', () => {
  it('may be betas of its own', () => {
    const { noiseSchedule } = denoiserOf({ schedule: { type: 'betas', betas: [0.1, 0.5] }, timesteps: 2 });
    expect([...noiseSchedule.alphasCumprod]).toEqual([0.9, 0.45]);
  });

  const invalid = 'CONFIG_INVALID';
  const unknown = 'CONFIG_UNKNOWN_FIELD';
  it.each<[object, string, string[]]>([
    [{ schedule: { type: 'betas', betas: [0.1, 0.5] }, timesteps: 3 }, invalid, ['2 betas', '3 timesteps']],
    [{ schedule: { type: 'betas', betas: [] }, timesteps: 3 }, invalid, ['0 betas', '3 timesteps']],
    [{ schedule: 'betas', timesteps: 3 }, invalid, ['diffusion.schedule.betas', 'type array', 'got nothing']],
    [{ schedule: { type: 'linear', betas: [0.1] } }, unknown, ['"diffusion.schedule.betas"', 'betaStart']],
    [{ schedule: { type: 'betas', betas: [0.1, 0.2], betaStart: 0.1 }, timesteps: 2 }, unknown, ['betaStart']],
    [{ prediction: { type: 'v', sigmaData: 0.3 } }, unknown, ['"diffusion.prediction.sigmaData"']],
    [{ prediction: { sigmaData: 0.3 } }, invalid, ['diffusion.prediction', 'type v', '"sigmaData"']],
  ])('is refused: %j', (diffusion, code, contains) => {
    expect(() => denoiserOf(diffusion)).toThrowWith({ type: UserError, code, contains });
  });
});
