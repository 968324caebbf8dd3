import { readFileSync } from 'node:fs';
import { resolveConfig } from '@dm/trainer';
import { describe, expect, it } from 'vitest';
import { bestRecipe } from './named-recipes.js';

const results = new URL('../../../best/results/laptop/', import.meta.url);
const read = (path: string): unknown => JSON.parse(readFileSync(new URL(path, results), 'utf8'));

describe('bestRecipe', () => {
  it('is the winner of the committed search, or a finalist of an unfinished one', () => {
    const name = 'muon-linear+v+clts-average';
    const { numbers } = read('results.json') as { numbers: { winner: string | null } };
    expect([name, null]).toContain(numbers.winner);
    const { recipe } = read(`final/${name}.seed-0.json`) as { recipe: unknown };
    expect(bestRecipe('laptop')).toEqual(recipe);
  });

  it('matches the preset mnist-fast, except for data, model, and length', () => {
    const config = resolveConfig([{ source: 'test', value: { preset: 'mnist-fast' } }]);
    const { schedule, curriculum, weighting, optimizer, emaHalfLife, coupling, batch, prediction } =
      bestRecipe('laptop');
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
