import { rmSync } from 'node:fs';
import { conversion } from '@dm/core';
import { createMemoryDataset } from '@dm/data';
import { logSnrBuckets } from '@dm/eval';
import { openEagerEngine, type Engine } from '@dm/ops';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { initialState } from '../../checkpoint/state.js';
import { objectives } from '../../config/objectives.js';
import { resolveConfig } from '../../config/resolve.js';
import type { PartialConfig } from '../../config/schema.js';
import { readMetrics, withoutMeasurements } from '../../run/metrics.js';
import { runFolder } from '../../run/run-folder.js';
import { batchSource } from '../../setup/batch-source.js';
import { predictionOptions } from '../../setup/denoiser.js';
import { createTrainingSetup } from '../../setup/training-setup.js';
import { quickConfig, tinyDit, tinyFolder } from '../../testing/tiny.js';
import { train } from '../../train.js';
import { computeBounds } from './bounds.js';
import { readValidation } from './file.js';
import { logSnrOf } from './noise-levels.js';
import { createValidationSet, createValidator } from './validator.js';

const side = 8;
/** Smooth random images, so that the Wiener filter has something to use. */
const dataset = (count: number, seed: number) =>
  createMemoryDataset({
    name: 'made up',
    images: Uint8Array.from({ length: count * side * side }, (_, i) => {
      const n = Math.floor(i / (side * side)) + seed * 1000;
      return 128 + 100 * Math.sin(n * 7.3 + (i % side) * (0.3 + (n % 5) / 10));
    }),
    shape: [side, side, 1],
    labels: Array.from({ length: count }, (_, n) => n % 2),
  });

let engine: Engine;
let folder: string;
beforeAll(async () => {
  engine = await openEagerEngine('tfjs-cpu');
  folder = await tinyFolder();
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await engine.dispose();
});

const setupOf = (part: PartialConfig) => {
  const value = { model: { type: 'dit', ...tinyDit } as const, batchSize: 2, totalSteps: 4, ...part };
  return createTrainingSetup(resolveConfig([{ source: 'test', value }]), batchSource(dataset(80, 0)));
};

describe('createValidator', () => {
  // A DiT returns 0 at its initialization, so its error is known.
  it.each(['epsilon', 'x0', 'v', 'x0-v', 'flow', 'flow-x0', 'edm', 'learned-variance'])(
    'measures the error of epsilon for the objective %s',
    async (name) => {
      const setup = setupOf(objectives[name]!);
      const set = await createValidationSet(setup, dataset(7, 1), { images: 5, draws: 2 });
      const validator = createValidator(setup, engine, 'params', set, { rows: 3 });
      const state = await engine.compile(() => ({ outputs: {} })).load(initialState(setup));
      const { buckets, geometricMean } = await validator.measure(state);
      const { diffusion } = setup.config;
      const expected = set.levels.map((levels) => {
        let sum = 0;
        for (let draw = 0; draw < 2; draw++) {
          const noise = set.noise(0, 5, draw);
          for (let n = 0; n < 5; n++) {
            const level = levels![draw * 5 + n]!;
            const { x } = conversion(diffusion.prediction.type, 'epsilon', level, predictionOptions(diffusion));
            for (let i = n * side * side; i < (n + 1) * side * side; i++) {
              const xt = level.alpha * set.images[i]! + level.sigma * noise[i]!;
              sum += (x * xt - noise[i]!) ** 2;
            }
          }
        }
        return sum / (2 * 5 * side * side);
      });
      expect(buckets).toHaveLength(10);
      for (const [b, loss] of buckets.entries()) expect(loss! / expected[b]!).toBeCloseTo(1, 3);
      expect(geometricMean / Math.exp(expected.reduce((sum, loss) => sum + Math.log(loss), 0) / 10)).toBeCloseTo(1, 3);
      state.dispose();
      await validator.dispose();
    },
  );

  it('uses timesteps of the schedule in each range, and none where it has none', async () => {
    const setup = setupOf({ diffusion: { timesteps: 5, schedule: { type: 'linear' } } });
    const set = await createValidationSet(setup, dataset(10, 1), { images: 10, draws: 3 });
    for (const [b, { from, to }] of logSnrBuckets().entries()) {
      for (const level of set.levels[b] ?? []) {
        expect(Number.isInteger(level.t)).toBe(true);
        expect(logSnrOf(level)).toBeGreaterThanOrEqual(from - 1e-9);
        expect(logSnrOf(level)).toBeLessThan(to + 1e-9);
      }
    }
    expect(set.levels.some((levels) => levels === undefined)).toBe(true);
    const validator = createValidator(setup, engine, 'params', set);
    const state = await engine.compile(() => ({ outputs: {} })).load(initialState(setup));
    const { buckets, geometricMean } = await validator.measure(state);
    expect(buckets.map((loss) => loss === null)).toEqual(set.levels.map((levels) => levels === undefined));
    expect(geometricMean).toBeGreaterThan(0);
    state.dispose();
    await validator.dispose();
  });
});

describe('computeBounds', () => {
  it('is below the loss of predicting no noise, and above zero', async () => {
    const setup = setupOf(objectives['flow']!);
    const set = await createValidationSet(setup, dataset(40, 1), { images: 40, draws: 1 });
    const { wiener, posteriorMean } = await computeBounds(dataset(300, 0), set, engine);
    for (const bound of [wiener, posteriorMean]) {
      expect(bound.buckets).toHaveLength(10);
      expect(bound.geometricMean).toBeGreaterThan(0);
      expect(bound.buckets[0]).toBeLessThan(0.1);
    }
    expect(wiener.buckets.every((loss) => loss! < 1)).toBe(true);
    // These images lie on a curve, which a linear filter cannot follow.
    expect(posteriorMean.buckets[3]!).toBeLessThan(wiener.buckets[3]!);
  });
});

describe('train with a validation loss', () => {
  const validation = { every: 2, images: 6, draws: 1, bounds: true };

  it('logs it at its steps, and writes what it was measured on, with the bounds', async () => {
    const out = `${folder}/validated`;
    await train({ ...quickConfig(folder, 4), holdOut: 0.3, validation, logEvery: 1, out });
    const records = readMetrics(runFolder(out).metrics);
    expect(records.map(({ validation: loss }) => loss !== undefined)).toEqual([false, true, false, true]);
    const loss = records[1]!.validation!;
    expect(loss.buckets).toHaveLength(10);
    expect(loss.geometricMean).toBeGreaterThan(0);
    const { setting, bounds } = readValidation(runFolder(out).validation)!;
    expect(setting.images).toBeLessThanOrEqual(6);
    expect(bounds!.wiener.geometricMean).toBeGreaterThan(0);
    expect(bounds!.posteriorMean.buckets).toHaveLength(10);

    // Measuring changes nothing else.
    const without = `${folder}/unvalidated`;
    await train({ ...quickConfig(folder, 4), holdOut: 0.3, logEvery: 1, out: without });
    const [plain, validated] = [without, out].map((path) =>
      readMetrics(runFolder(path).metrics).map((record) => ({ ...withoutMeasurements(record), validation: undefined })),
    );
    expect(validated).toEqual(plain);
  });

  it('refuses data without images for it, before anything is written', async () => {
    const out = `${folder}/refused`;
    await expect(train({ ...quickConfig(folder, 4), validation, out })).rejects.toThrowWith({
      code: 'DATA_MISMATCH',
      contains: ['data.npz', '--hold-out'],
    });
    expect(readMetrics(runFolder(out).metrics)).toEqual([]);
  });
});
