import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { normalBatch } from '@dm/core';
import { writeNpy } from '@dm/data';
import { openFolderSource } from '@dm/eval';
import { oneHot, type Engine } from '@dm/ops';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generateSamples } from '../../sampling/generate-samples.js';
import { fakeExtractor } from '@dm/eval/testing';
import { tinyConfig, tinyDit, tinyFolder } from '../../testing/tiny.js';
import { train } from '../../train.js';
import { compareSets } from './compare-sets.js';
import { denoiserAgreement } from './denoisers.js';
import { consistencyGrid } from './grid.js';
import { openModel, predictedV } from './predicted-v.js';
import { openSameNoise } from './same-noise.js';
import { UserError } from '../../errors.js';
import { openEngine } from '../../setup/engine.js';

let folder: string;
let a: string;
let b: string;
beforeAll(async () => {
  folder = await tinyFolder();
  const config = tinyConfig(folder, 2);
  a = (await train({ ...config, out: join(folder, 'a') })).out;
  // Another seed and another schedule: its timesteps of the same noise are others.
  const other = {
    ...config,
    seed: 1,
    diffusion: { timesteps: 30, schedule: { type: 'cosine' } as const, prediction: { type: 'v' } as const },
  };
  b = (await train({ ...other, out: join(folder, 'b') })).out;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const option = { type: UserError, code: 'OPTION_INVALID' } as const;

describe('openSameNoise', () => {
  it('draws every run from the same noise, and as many samples as a file has', async () => {
    const { images, shape } = await generateSamples({ run: a, count: 6, seed: 2 });
    const file = join(folder, 'a.npy');
    await writeNpy(file, { shape: [...shape], data: images });
    const { sample, count } = await openSameNoise([a, file, b], { seed: 2 });
    expect(count).toBe(6);
    const sets = await sample();
    expect(sets.map(({ name }) => name)).toEqual([a, file, b]);
    expect(sets[0]!.samples).toEqual(images);
    expect(sets[1]!.samples).toEqual(images);
    expect(sets[2]!.samples).not.toEqual(images);
  });

  it('refuses one set, a set twice, too few samples and other shapes', async () => {
    await expect(openSameNoise([a])).rejects.toThrowWith({ ...option, contains: ['2 sets', '1 given'] });
    await expect(openSameNoise([a, a])).rejects.toThrowWith({ ...option, contains: [a, 'twice'] });
    const file = join(folder, 'wide.npy');
    await writeNpy(file, { shape: [3, 8, 9, 1], data: new Float32Array(3 * 72) });
    await expect(openSameNoise([a, file])).rejects.toThrowWith({
      type: UserError,
      code: 'SETS_MISMATCH',
      contains: ['wide.npy', '8x9x1', a, '8x8x1'],
    });
    await expect(openSameNoise([a, file], { count: 4 })).rejects.toThrowWith({
      ...option,
      contains: ['wide.npy', '3 samples', '4'],
    });
    await writeNpy(file, { shape: [3, 8, 9], data: new Float32Array(3 * 72) });
    await expect(openSameNoise([a, file])).rejects.toThrowWith({
      type: UserError,
      code: 'FILE_INVALID',
      contains: ['wide.npy', '[3, 8, 9]', '[N, H, W, C]'],
    });
  });
});

describe('compareSets', () => {
  it('compares pixels, features and denoisers, each beside its controls', async () => {
    const comparison = await compareSets([a, b], { count: 8, levels: 3, extractor: fakeExtractor() });
    expect(comparison.pixels.overall.metrics.map(({ metric }) => metric)).toEqual(['cosine', 'mae', 'psnr', 'ssim']);
    expect(comparison.features!.report.overall.metrics.map(({ metric }) => metric)).toEqual(['cosine']);
    expect(comparison.features!.extractor.name).toBe('fake');
    // The tiny models have learned next to nothing, so their samples are what the noise made of them.
    const [cosine] = comparison.pixels.overall.metrics;
    expect(cosine!.same.mean).toBeGreaterThan(cosine!.random.mean);
    expect(cosine!.same.low).toBeLessThanOrEqual(cosine!.same.mean);
    expect(comparison.pixels.overall.reproducibility!.same.mean).toBeGreaterThanOrEqual(0);
    expect(comparison.denoisers).toHaveLength(3);
  });

  it('refuses denoisers that cannot be compared before it samples', async () => {
    const phases: string[] = [];
    const onPhase = ({ name }: { name: string }) => void phases.push(name);
    const unlabeled = join(folder, 'unlabeled.npy');
    await writeNpy(unlabeled, { shape: [23, 8, 8, 1], data: new Uint8Array(23 * 64) });
    const { out: c } = await train({ ...tinyConfig(folder, 1), data: unlabeled, out: join(folder, 'c') });
    const { out: d } = await train({
      ...tinyConfig(folder, 1),
      conditional: true,
      model: { type: 'dit', ...tinyDit },
      out: join(folder, 'd'),
    });
    const noise = join(folder, 'noise.npy');
    await writeNpy(noise, { shape: [30, 8, 8, 1], data: new Float32Array(30 * 64) });
    for (const [sets, change, contains] of [
      [[a, b], {}, ['23', '64', '--count']],
      [[a, b], { noise }, ['23', '30', '--count']],
      [[a, b], { levels: 0 }, ['--levels']],
      [[c, d], { count: 8 }, ['labels']],
    ] as const) {
      const refused = compareSets(sets, { levels: 1, ...change, onPhase, extractor: fakeExtractor() });
      await expect(refused).rejects.toThrowWith({ ...option, contains });
      expect(phases).toEqual([]);
    }
  });
});

describe('denoiserAgreement', () => {
  it('is complete for a model and its copy, and less for two models, at the same noise', async () => {
    const checkpoint = join(a, 'checkpoints', 'step-000002');
    const [same] = await denoiserAgreement([a, checkpoint], { levels: 1, count: 8 });
    expect(same!.overall.metrics[0]!.same.mean).toBeCloseTo(1, 6);
    expect(same!.overall.metrics[1]!.same.mean).toBe(0);
    expect(same!.overall.metrics[0]!.random.mean).toBeLessThan(0.9);
    const levels = await denoiserAgreement([a, b], { levels: 4, count: 8 });
    expect(levels.length).toBeGreaterThan(1);
    for (const { logSnr, timesteps, overall } of levels) {
      expect(Number.isFinite(logSnr)).toBe(true);
      expect(timesteps[0]).not.toBeCloseTo(timesteps[1]!, 3);
      expect(overall.metrics[0]!.same.mean).toBeLessThan(0.999);
    }
    // From little noise to much.
    expect(levels.map(({ logSnr }) => logSnr)).toEqual(levels.map(({ logSnr }) => logSnr).toSorted((x, y) => y - x));
    await expect(denoiserAgreement([a, b], { levels: 0 })).rejects.toThrowWith({
      ...option,
      contains: ['--levels', 'at least 1', '0'],
    });
  });
});

describe('predictedV', () => {
  it('calls the model with 64 rows at most, with the results of one batch', async () => {
    const model = openModel(a, {});
    const count = 70;
    const indices = Array.from({ length: count }, (_, i) => i);
    const [images, noise] = [0, 1].map((seed) => normalBatch({ seed, stream: 'evaluation', indices }, [8, 8, 1]));
    const engine = await openEngine('tfjs-cpu');
    const rows: number[] = [];
    const counting: Engine = {
      ...engine,
      compile(program, options) {
        const compiled = engine.compile(program, options);
        const run: typeof compiled.run = (state, inputs) => {
          rows.push(inputs['images']!.shape[0]!);
          return compiled.run(state, inputs);
        };
        return { load: (arrays) => compiled.load(arrays), dispose: () => compiled.dispose(), run };
      },
    };
    const cond = oneHot(
      indices.map((i) => i % 2),
      2,
    );
    const inputs = { images: images!, noise: noise!, cond };
    const chunked = await predictedV(model, counting, inputs, [1, -1]);
    expect(rows).toEqual([64, 64, 64, 64]);
    const whole = await predictedV(model, engine, inputs, [1, -1], { rows: count });
    for (const [k, v] of whole.entries()) {
      expect(v).toHaveLength(count * 64);
      expect(Math.max(...v.map((value, i) => Math.abs(value - chunked[k]![i]!)))).toBeLessThan(1e-6);
    }
    await engine.dispose();
  });
});

describe('consistencyGrid', () => {
  it('has a row per noise and a column per model', async () => {
    const set = (name: string, level: number) => ({ name, samples: new Float32Array(3 * 4).fill(level) });
    const png = await consistencyGrid([set('black', -1), set('white', 1)], [2, 2, 1], 3);
    const pictures = join(folder, 'pictures');
    mkdirSync(pictures);
    for (const name of ['1.png', '2.png']) writeFileSync(join(pictures, name), png);
    const source = await openFolderSource(pictures);
    // 28-fold cells of 56 pixels, with gaps of 2.
    expect(source.shape.slice(0, 2)).toEqual([3 * 58 + 2, 2 * 58 + 2]);
    const [, width, channels] = source.shape;
    const data = (await source.batches(1)[Symbol.asyncIterator]().next()).value as Uint8Array;
    for (const row of [0, 1, 2]) {
      const at = (column: number) => data[((2 + row * 58 + 28) * width + 2 + column * 58 + 28) * channels];
      expect([at(0), at(1)]).toEqual([0, 255]);
    }
  });
});
