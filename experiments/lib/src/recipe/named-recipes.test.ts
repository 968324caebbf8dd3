import { readFileSync } from 'node:fs';
import { resolveConfig } from '@dm/trainer';
import { describe, expect, it } from 'vitest';
import { muonRecipe } from './named-recipes.js';

describe('muonRecipe', () => {
  it('is the one that the committed runs of speedup were trained with', () => {
    const run = new URL('../../../speedup/results/laptop/whole/best.seed-0.json', import.meta.url);
    const { recipe } = JSON.parse(readFileSync(run, 'utf8')) as { recipe: unknown };
    expect(muonRecipe('laptop')).toEqual(recipe);
  });

  it('matches the preset mnist-fast, except for data, model, and length', () => {
    const config = resolveConfig([{ source: 'test', value: { preset: 'mnist-fast' } }]);
    const { schedule, curriculum, weighting, optimizer, emaHalfLife, coupling, batch, prediction } =
      muonRecipe('laptop');
    expect(config.diffusion).toEqual({
      schedule: { type: schedule },
      timesteps: 1000,
      prediction: { type: prediction },
      loss: null,
      variance: null,
    });
    expect(config.curriculum).toEqual({ type: curriculum.name, coordinateDefaults: true });
    expect(config.lossWeighting).toEqual({ type: weighting.name });
    expect(config.ema).toEqual({ type: 'halfLife', images: emaHalfLife, rampUp: 0.05 });
    expect(coupling).toBe('independent');
    expect(batch).toEqual([{ share: 1, size: config.batchSize }]);
    expect(optimizer.demon).toBe(false);
    expect(config.optimizer).toMatchObject({
      type: optimizer.name,
      matrixLr: optimizer.lr,
      lr: optimizer.adamLr,
      matrixMomentum: optimizer.momentum,
      warmup: optimizer.warmup,
      momentumDecay: null,
      lrSchedule: { type: 'linear', finalRatio: (optimizer.decay as { linearTo: number }).linearTo },
      weightDecay: 0,
      maxGradNorm: 1,
    });
  });
});
