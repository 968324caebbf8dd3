// Training on float arrays of four channels, as latent diffusion does: scale, samples, resume, export, refusals.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describeDataset, openDataset, readNpy, readNpz, writeNpz } from '@dm/data';
import { parseSafetensors } from '@dm/models';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Config, PartialConfig } from '../config/schema.js';
import { resolveConfig } from '../config/resolve.js';
import { trainingHash } from '../config/saved-config.js';
import { UserError } from '../errors.js';
import { newConfig } from '../browser/browser-config.js';
import { compareSets } from '../eval/consistency/compare-sets.js';
import { openRunObjective } from '../eval/landscape/run-objective.js';
import { evaluateSets } from '../eval/sets/evaluate-sets.js';
import { validationLoss } from '../eval/validation/validation-loss.js';
import { writeImages } from '../files/images.js';
import { exportModel } from '../interchange/export.js';
import { generateSamples } from '../sampling/generate-samples.js';
import { addTinyLatents, tinyConfig, tinyDit, tinyFolder } from '../testing/tiny.js';
import { train } from '../train.js';
import { clippingNote } from './latents.js';
import { openData, openTrainingSetup } from './open-training-setup.js';

let folder: string;
let data: string;
let run: string;
const notes: string[] = [];
const readConfig = () => JSON.parse(readFileSync(join(run, 'config.json'), 'utf8')) as Config;
const configOf = (more: PartialConfig = {}): PartialConfig => ({
  ...tinyConfig(folder, 4),
  data,
  model: { type: 'dit', ...tinyDit, patch_size: 8 },
  samples: 3,
  ...more,
});
const setupOf = (more: PartialConfig = {}) =>
  openTrainingSetup(resolveConfig([{ source: 'test', value: configOf(more) }]));

beforeAll(async () => {
  folder = await tinyFolder();
  data = await addTinyLatents(folder);
  run = join(folder, 'run');
  await train(configOf(), { hooks: { onNote: (text) => notes.push(text) } });
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('a run on latents', () => {
  it('records mean and scale of each channel of the data, and does not clip samples', async () => {
    const { latents, sampler, model } = readConfig();
    const { channels } = await describeDataset(await openDataset(data));
    expect(latents).toEqual({
      layout: 'NCHW',
      mean: channels.map(({ mean }) => mean),
      scale: channels.map(({ std }) => 1 / std),
    });
    // The data were made so: 2 (c + 1) sin(...), of standard deviation about sqrt(2) (c + 1), around c - 2.
    channels.forEach(({ mean, std }, c) => {
      expect(Math.abs(mean - (c - 2))).toBeLessThan(0.2 * (c + 1));
      expect(std / (c + 1)).toBeCloseTo(Math.SQRT2, 1);
    });
    expect(sampler.clipping).toBeNull();
    expect(model).toMatchObject({ in_channels: 4, input_size: 32 });
  });

  it('trains on the scaled values', async () => {
    const { dataset, batches } = await setupOf();
    for (const { mean, std } of (await describeDataset(dataset)).channels) {
      expect(mean).toBeCloseTo(0, 5);
      expect(std).toBeCloseTo(1, 5);
    }
    const { images } = await batches.read({ seed: 0, step: 0, batchSize: 23, flip: false });
    const mean = images.reduce((sum, value) => sum + value, 0) / images.length;
    expect(Math.abs(mean)).toBeLessThan(1e-4);
  });

  it('writes samples as an array in the scale of the data, and a preview', async () => {
    expect(readdirSync(join(run, 'samples')).toSorted()).toEqual(['step-000004.npz', 'step-000004.png']);
    expect((await readNpz(join(run, 'samples', 'step-000004.npz')))['arr_0']!.shape).toEqual([3, 4, 32, 32]);
    expect(notes.some((text) => text.includes('step-000004.npz') && text.includes('first channels'))).toBe(true);
  });

  it('generates latents as .npz and .npy, which can be trained on', async () => {
    const made = await generateSamples({ run, count: 3, steps: 2 });
    expect(made.shape).toEqual([3, 32, 32, 4]);
    const { mean, scale } = readConfig().latents!;
    // Two steps of an untrained model: about standard normal before the scale is undone.
    const last = made.images.filter((_, i) => i % 4 === 3);
    const std = Math.sqrt(last.reduce((sum, value) => sum + (value - mean![3]!) ** 2, 0) / last.length);
    expect(std * (scale as number[])[3]!).toBeGreaterThan(0.2);
    expect(std).toBeGreaterThan(1.5);
    await writeImages(join(folder, 'samples.npz'), made);
    await writeImages(join(folder, 'samples.npy'), made);
    const { arr_0: latents, arr_1: labels } = await readNpz(join(folder, 'samples.npz'));
    expect(latents!.shape).toEqual([3, 4, 32, 32]);
    expect(labels!.data).toEqual(Int32Array.of(0, 1, 0));
    expect(latents!.data[32 * 32 + 5]).toBe(made.images[5 * 4 + 1]);
    expect(await readNpy(join(folder, 'samples.npy'))).toEqual(latents);
    const again = await openDataset(join(folder, 'samples.npz'));
    expect(again.shape).toEqual([32, 32, 4]);
  });

  it('resumes bit-identically', async () => {
    const half = join(folder, 'half');
    await train(configOf({ out: half, budgets: { steps: 2 } }));
    await train({ out: half }, { resume: true });
    const weights = (of: string) => readFileSync(join(of, 'checkpoints', 'step-000004', 'ema.safetensors'));
    expect(weights(half).equals(weights(run))).toBe(true);
  });

  it('is exported with its four channels', async () => {
    const out = join(folder, 'model.safetensors');
    await exportModel({ run, format: 'safetensors', out });
    await exportModel({ run, format: 'onnx', out: join(folder, 'model.onnx') });
    expect(existsSync(join(folder, 'model.onnx'))).toBe(true);
    const { tensors, metadata } = parseSafetensors(readFileSync(out));
    expect(tensors['x_embedder.proj.weight']!.shape).toEqual([16, 4, 8, 8]);
    expect(JSON.parse(metadata['latents']!)).toEqual(readConfig().latents);
  });
});

describe('options', () => {
  it.each<[string, PartialConfig, object]>([
    ['a scale', { latents: { scale: 0.18215 } }, { mean: [0, 0, 0, 0], scale: 0.18215 }],
    [
      'mean and scale',
      { latents: { mean: [1, 2, 3, 4], scale: [1, 2, 1, 2] } },
      { mean: [1, 2, 3, 4], scale: [1, 2, 1, 2] },
    ],
  ])('given %s, uses it', async (_, more, latents) => {
    const { config, dataset } = await setupOf(more);
    expect(config.latents).toEqual({ layout: 'NCHW', ...latents });
    const raw = await openDataset(data);
    const [of, from] = [(await dataset.floats!.read([7])).values, (await raw.floats!.read([7])).values];
    const { mean, scale } = config.latents!;
    const first = typeof scale === 'number' ? scale : scale![0]!;
    expect(of[0]).toBeCloseTo((from[0]! - mean![0]!) * first, 5);
  });

  it('a clipping to another range than that of images is used; that of images is removed, with a note', async () => {
    const clippingOf = async (sampler: PartialConfig['sampler']) =>
      (await setupOf({ sampler: { type: 'ddim', steps: 2, ...(sampler as object) } })).config.sampler.clipping;
    expect(await clippingOf({ clipping: { type: 'range', max: 1 } })).toBeNull();
    expect(await clippingOf({ clipping: { type: 'range', max: 3 } })).toEqual({ type: 'range', max: 3 });
    const threshold = { type: 'threshold', quantile: 0.9, max: 4 } as const;
    expect(await clippingOf({ clipping: threshold })).toEqual(threshold);
    expect(notes.filter((text) => text.includes('sampler.clipping') && text.includes('"max":4'))).toHaveLength(1);

    const config = resolveConfig([{ source: 'test', value: configOf() }]);
    const clipped = { ...config, sampler: { ...config.sampler, clipping: threshold } };
    expect(clippingNote(clipped, clipped)).toBeUndefined();
  });

  it('samples are clipped in the scale of the model', async () => {
    const { mean, scale } = readConfig().latents!;
    const clipping = { type: 'range', max: 0.5 } as const;
    const overrides = [{ source: 'test', value: { sampler: { clipping } } }];
    const { images } = await generateSamples({ run, count: 2, steps: 2, overrides });
    const scaled = images.map((value, i) => (value - mean![i % 4]!) * (scale as number[])[i % 4]!);
    const largest = scaled.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    expect(largest).toBeCloseTo(0.5, 4);
  });

  it('for prediction edm, the scaled data has the standard deviation sigmaData', async () => {
    const { dataset } = await setupOf({ diffusion: { prediction: { type: 'edm', sigmaData: 0.4 } } });
    for (const { std } of (await describeDataset(dataset)).channels) expect(std).toBeCloseTo(0.4, 5);
  });

  it('flip is for images: latents are mirrored only with latents.flip', async () => {
    const request = { seed: 0, step: 0, batchSize: 16, flip: true };
    const read = async (more: PartialConfig) => (await (await setupOf(more)).batches.read(request)).images;
    const plain = await read({});
    expect(await read({ flip: true })).toEqual(plain);
    expect(await read({ latents: { flip: true } })).not.toEqual(plain);
  });

  it('are no part of the training configuration of images', () => {
    const config = resolveConfig([]);
    const { latents, ...former } = config;
    expect(latents).toBeNull();
    expect(trainingHash(config)).toBe(trainingHash(former as Config));
  });
});

describe('is refused:', () => {
  const refused = (code: string, ...contains: string[]) => ({ type: UserError, code, contains });

  it('evaluation with features of images', async () => {
    await expect(setupOf({ evaluation: { every: 2 } })).rejects.toThrowWith(
      refused('DATA_MISMATCH', 'evaluation.every', 'latents', 'validation.every'),
    );
    const sets = { metrics: ['fid'], extractor: 'pixels', count: 4 } as unknown as Parameters<typeof evaluateSets>[2];
    await expect(evaluateSets(run, run, sets)).rejects.toThrowWith(refused('DATA_MISMATCH', 'latents', 'decode'));
  });

  it('samples as PNG, before any computation', async () => {
    await expect(generateSamples({ run, count: 1, out: join(folder, 'x.png') })).rejects.toThrowWith(
      refused('OPTION_INVALID', 'x.png', '.npz'),
    );
  });

  it('a scale of images', async () => {
    await expect(setupOf({ data: join(folder, 'data.npz'), latents: { scale: 2 } })).rejects.toThrowWith(
      refused('DATA_MISMATCH', 'latents'),
    );
  });

  it('data of another kind than the run was trained on, and floats without a run', async () => {
    const pixels = join(folder, 'four.npz');
    await writeNpz(pixels, { images: { shape: [4, 32, 32, 3], data: new Uint8Array(4 * 32 * 32 * 3) } });
    await expect(validationLoss({ run, data: pixels })).rejects.toThrowWith(
      refused('DATA_MISMATCH', 'images', 'floats'),
    );
    const config = resolveConfig([{ source: 'test', value: configOf() }]);
    await expect(openData(config)).rejects.toThrowWith(refused('DATA_MISMATCH', 'floats', 'run'));
  });

  it('comparison of images', async () => {
    await expect(compareSets([run, join(run, 'checkpoints', 'step-000004')])).rejects.toThrowWith(
      refused('DATA_MISMATCH', 'latents', '.npy'),
    );
  });

  it('a loss landscape between runs of different scales', async () => {
    const other = join(folder, 'other-scale');
    await train(configOf({ out: other, totalSteps: 1, latents: { scale: 2 } }));
    await expect(openRunObjective([run, other])).rejects.toThrowWith(refused('SETS_MISMATCH', 'latents'));
  });

  it('a run in a browser', () => {
    expect(() => newConfig('x', { latents: { scale: 2 } })).toThrowWith(refused('CONFIG_INVALID', 'latents'));
  });

  it('a channel that is constant or not finite', async () => {
    for (const [value, word] of [
      // The computed deviation of these values is not 0.
      [Math.fround(-2.2), 'constant'],
      [Infinity, 'finite'],
    ] as const) {
      const path = join(folder, `${word}.npz`);
      const values = new Float32Array(16 * 64).fill(value);
      await writeNpz(path, { latents: { shape: [16, 1, 8, 8], data: values } });
      await expect(setupOf({ data: path })).rejects.toThrowWith(refused('DATA_MISMATCH', 'channel 0', word));
    }
  });
});
