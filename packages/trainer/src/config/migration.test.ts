import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { configFile } from './config-file.js';
import { migrateConfig } from './migration.js';
import { assignment, resolveConfig } from './resolve.js';
import type { PartialConfig } from './schema.js';
import { UserError } from '../errors.js';

const former = {
  preset: 'mnist',
  crop: { size: 24, at: 'centre' },
  model: { type: 'dit', config: { patch_size: 4, depth: 2 } },
  diffusion: {
    schedule: 'linear',
    timesteps: 100,
    prediction: 'edm',
    sigmaData: 0.4,
    betaEnd: 0.03,
    zeroTerminalSnr: false,
  },
  curriculum: { name: 'cltsReversed', params: { lamMax: 0.6, mu: 0.4 } },
  weighting: { name: 'minSnr', gamma: 3 },
  optimizer: {
    name: 'muon',
    lr: 0.003,
    params: { lr: 0.03, momentum: 0.9, iterations: 4 },
    schedule: { name: 'linear', finalRatio: 0.1 },
    momentumDecay: true,
    compensate: false,
    clip: null,
  },
  ema: { type: 'fixed', decay: 0.9 },
  emas: { slow: { type: 'fixed', decay: 0.99 } },
  recompute: 'blocks',
  accumulate: 2,
  timeBudget: 60,
  stepBudget: null,
  imageBudget: 1000,
  skipLimit: 3,
  engine: 'cpu',
  sampler: { name: 'ddpm', steps: 5, guidance: 1, guidanceInterval: null },
  evalEvery: 5,
  evalSamples: 8,
  evalMetrics: ['fid'],
  evalExtractor: 'classifier',
  evalWeights: 'w.safetensors',
  probe: { every: 0, buckets: 3, images: 4 },
  checkpointEvery: 10,
  checkpointMinutes: 5,
  checkpointOverlap: 2,
  keep: 4,
  recorded: { engine: { name: 'cpu', info: {} } },
};

const now = {
  preset: 'mnist',
  crop: { size: 24, at: 'center' },
  model: { type: 'dit', patch_size: 4, depth: 2 },
  diffusion: {
    schedule: { type: 'linear', betaEnd: 0.03, zeroTerminalSnr: false },
    timesteps: 100,
    prediction: { type: 'edm', sigmaData: 0.4 },
  },
  curriculum: { type: 'cltsReversed', lambdaMax: 0.6, mu: 0.4 },
  lossWeighting: { type: 'minSnr', gamma: 3 },
  optimizer: {
    type: 'muon',
    lr: 0.003,
    matrixLr: 0.03,
    matrixMomentum: 0.9,
    iterations: 4,
    lrSchedule: { type: 'linear', finalRatio: 0.1 },
    momentumDecay: { type: 'demon', compensate: false },
    maxGradNorm: null,
  },
  ema: { type: 'fixed', decay: 0.9 },
  extraEmas: { slow: { type: 'fixed', decay: 0.99 } },
  activationCheckpointing: true,
  gradientAccumulation: 2,
  budgets: { seconds: 60, steps: null, images: 1000 },
  maxSkippedSteps: 3,
  engine: 'tfjs-cpu',
  sampler: { type: 'ddpm', steps: 5, guidance: 1, guidanceInterval: null },
  evaluation: {
    every: 5,
    samples: 8,
    metrics: ['fid'],
    extractor: { type: 'classifier', weights: 'w.safetensors' },
  },
  probe: { every: 0, buckets: 3, images: 4 },
  checkpoints: { every: 10, minutes: 5, overlap: 2, keepLast: 4 },
  recorded: { engine: { name: 'tfjs-cpu', info: {} } },
};

describe('a configuration of the former shape', () => {
  it("is read into today's, which stays as it is", () => {
    expect(migrateConfig(former, 'x.json')).toEqual(now);
    expect(migrateConfig(now, 'x.json')).toBe(now);
    const resolved = resolveConfig([{ source: 'x.json', value: now as PartialConfig }]);
    expect(resolved).toMatchObject(now);
  });

  it.each([
    [{ optimizer: { momentumDecay: false, compensate: true } }, { optimizer: { momentumDecay: null } }],
    [{ optimizer: { momentumDecay: true } }, { optimizer: { momentumDecay: { type: 'demon' } } }],
    [{ optimizer: { compensate: false } }, { optimizer: { momentumDecay: { compensate: false } } }],
    [
      { preset: 'cifar10', diffusion: { betaStart: 0.001 } },
      { preset: 'cifar10', diffusion: { schedule: { betaStart: 0.001 } } },
    ],
    [{ recompute: 'none' }, { activationCheckpointing: false }],
    [{ engine: 'webgpu' }, { engine: 'tfjs-webgpu' }],
    [
      { engine: 'wasm', seed: 1 },
      { engine: 'tfjs-wasm', seed: 1 },
    ],
    [{ curriculum: { params: { mu: 1 } } }, { curriculum: { mu: 1 } }],
    [{ evalWeights: null }, { evaluation: { extractor: { weights: null } } }],
  ])('may be a part of one: %j', (part, expected) => {
    const migrated = migrateConfig(part, 'x.json');
    expect(migrated).toEqual(expected);
    expect(() => resolveConfig([{ source: 'x.json', value: migrated }])).not.toThrow();
  });

  it.each([
    [{ keep: 3, lossWeighting: 'edm' }, ['lossWeighting', 'keep is now checkpoints.keepLast']],
    [
      { optimizer: { name: 'lion', maxGradNorm: 1 } },
      ['optimizer.maxGradNorm', 'optimizer.name is now optimizer.type'],
    ],
    [{ engine: 'cpu', budgets: { steps: 3 } }, ['budgets', '"cpu" is now "tfjs-cpu"']],
  ])('is refused if it has names of both: %j', (mixed, contains) => {
    expect(() => migrateConfig(mixed, 'x.json')).toThrowWith({
      type: UserError,
      code: 'CONFIG_INVALID',
      contains: ['x.json', ...contains],
    });
  });

  it('may be given as a file, which is noted', () => {
    const folder = mkdtempSync(join(tmpdir(), 'dm-former-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'old.json');
    writeFileSync(path, JSON.stringify(former));
    expect(configFile(path)).toMatchObject({ value: now, note: expect.stringContaining(path) as unknown });
    writeFileSync(path, JSON.stringify(now));
    expect(configFile(path)).toEqual({ source: path, value: now });
  });

  it.each([
    ['weighting.name=edm', ['"weighting"', 'called lossWeighting']],
    ['optimizer.clip=1', ['"optimizer.clip"', 'called optimizer.maxGradNorm']],
    ['keep=2', ['"keep"', 'called checkpoints.keepLast']],
  ])('is not what --set takes, which says the names of today: %s', (text, contains) => {
    expect(() => resolveConfig([assignment(text)])).toThrowWith({
      type: UserError,
      code: 'CONFIG_UNKNOWN_FIELD',
      contains: [`--set ${text}`, ...contains],
    });
  });
});
