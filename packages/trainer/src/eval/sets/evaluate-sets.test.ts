import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DataError, imageGrid, openDataset, toFloat, writeNpy, type ImageResize } from '@dm/data';
import { EvalError, writeStatistics } from '@dm/eval';
import { zipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generateSamples } from '../../sampling/generate-samples.js';
import { fakeExtractor } from '@dm/eval/testing';
import { tinyConfig, tinyDit, tinyFolder } from '../../testing/tiny.js';
import { train } from '../../train.js';
import { createProgressBar } from '../../terminal/progress-bar.js';
import { evaluateSets, featuresOf } from './evaluate-sets.js';
import { evaluationLines } from './table.js';
import { UserError } from '../../errors.js';

let folder: string;
let data: string;
let run: string;
beforeAll(async () => {
  folder = await tinyFolder();
  data = join(folder, 'data.npz');
  // Conditional: the classes of the samples matter too.
  const config = tinyConfig(folder, 2);
  run = (await train({ ...config, conditional: true, model: { type: 'dit', ...tinyDit } })).out;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const options = () => ({ extractor: fakeExtractor(), metrics: ['fid', 'kid'] as const, count: 11 });

describe('evaluateSets', () => {
  it('draws from a run what dm sample draws, whatever the batches', async () => {
    const { images, shape } = await generateSamples({ run, count: 11, seed: 3 });
    const file = join(folder, 'samples.npy');
    await writeNpy(file, { shape: [...shape], data: images });
    const fromRun = await evaluateSets(run, data, { ...options(), seed: 3 });
    const fromFile = await evaluateSets(file, data, { ...options(), seed: 3 });
    expect(fromRun.results).toEqual(fromFile.results);
    expect(fromRun.generated).toMatchObject({ count: 11, shape: [8, 8, 1] });
    expect(fromRun.warnings[0]).toMatch(/run\/checkpoints\/step-000002: EMA.*ddim.*\b2 steps.*seed 3$/);
    const checkpoint = join(run, 'checkpoints', 'step-000002');
    expect((await evaluateSets(checkpoint, data, { ...options(), seed: 3 })).results).toEqual(fromRun.results);
    expect((await evaluateSets(run, data, { ...options(), seed: 4 })).results).not.toEqual(fromRun.results);
  });

  it('keeps the statistics of what does not change, and takes them instead of extracting again', async () => {
    const cache = join(folder, 'cache');
    const batches: string[] = [];
    const onProgress = (name: string) => void batches.push(name);
    const first = await evaluateSets(run, data, { ...options(), cache, onProgress });
    expect(batches).toEqual([first.generated.name, first.reference.name]);
    const [file] = readdirSync(cache);
    expect(readdirSync(cache)).toHaveLength(1);
    const second = await evaluateSets(run, data, { ...options(), cache, onProgress });
    expect(second).toEqual(first);
    expect(batches.slice(2)).toEqual([first.generated.name]);
    // A kept file is a set of its own.
    const third = await evaluateSets(run, join(cache, file!), options());
    expect(third.results).toEqual(first.results);
    const other = { ...options(), extractor: fakeExtractor({ weightsSha256: '0'.repeat(64) }) };
    await expect(evaluateSets(run, join(cache, file!), other)).rejects.toThrow(/different extractors \(weightsSha256/);
    // Damaged: said, and made again.
    writeFileSync(join(cache, file!), 'damaged');
    const notes: string[] = [];
    const fourth = await evaluateSets(run, data, { ...options(), cache, onNote: (text) => void notes.push(text) });
    expect(fourth).toEqual(first);
    expect(notes[0]).toMatch(/cache.*\.npz: .*zip archive.*again/);
  });

  it('goes without a cache that cannot be used', async () => {
    const expected = await evaluateSets(data, data, options());
    const file = join(folder, 'file');
    writeFileSync(file, '');
    for (const cache of [join(file, 'eval'), join(folder, 'x'.repeat(300))]) {
      const notes: string[] = [];
      const found = await evaluateSets(data, data, { ...options(), cache, onNote: (text) => void notes.push(text) });
      expect(found).toEqual(expected);
      expect(notes).toHaveLength(2);
      for (const part of [data, 'DM_CACHE', '--no-cache']) expect(notes[0]).toContain(part);
    }
  });

  it('takes all of sets that are there, and shows the numbers as a table', async () => {
    const { count: _, ...all } = options();
    const bytes = Uint8Array.from({ length: 30 * 64 }, (_1, i) => (i * i) % 251);
    const file = join(folder, 'bytes.npy');
    await writeNpy(file, { shape: [30, 8, 8], data: toFloat(bytes) });
    const report = await evaluateSets(file, data, all);
    expect([report.generated.count, report.reference.count]).toEqual([30, 23]);
    expect(evaluationLines(report).join('\n')).toMatch(
      /^generated.*bytes\.npy: 30\b.*8x8x1\n.*\nfeatures.*fake, 3\b.*f{16}\n\nFD-fake\s+[\d.]+.*\nKD-fake\s+[\d.e+-]+\s+±\s+[\d.e+-]+.*\n\nNot/,
    );
  });

  it('looks for copies of training images among all of them', async () => {
    const bytes = Uint8Array.from({ length: 30 * 64 }, (_, i) => (i * i * 7 + (i >> 6) * 31) % 251);
    const file = join(folder, 'training.npy');
    await writeNpy(file, { shape: [30, 8, 8], data: toFloat(bytes) });
    const report = await evaluateSets(file, file, { ...options(), metrics: ['memorization'] });
    expect([report.generated.count, report.reference.count]).toEqual([11, 30]);
    expect(report.results).toEqual([{ label: 'memorized', value: 1, better: 'lower' }]);
  });

  it('refuses a reference before it generates samples', async () => {
    const wide = join(folder, 'wide.npy');
    await writeNpy(wide, { shape: [30, 8, 9], data: new Uint8Array(30 * 72) });
    const bare = join(folder, 'bare.npz');
    await writeStatistics(bare, await featuresOf(data, { keepFeatures: false }, options()));
    const batches: string[] = [];
    const counted = { ...options(), onProgress: (name: string) => void batches.push(name) };
    for (const [reference, change, expected] of [
      [data, { count: 24 }, { type: RangeError, contains: ['2 to 23', '24'] }],
      [wide, {}, { type: EvalError, code: 'SETS_MISMATCH', contains: ['8x8x1', '8x9x1'] }],
      [bare, {}, { type: EvalError, code: 'FEATURES_MISSING', contains: ['kid', data] }],
      ['foldr:photos', {}, { type: DataError, contains: 'foldr:photos' }],
    ] as const) {
      await expect(evaluateSets(run, reference, { ...counted, ...change })).rejects.toThrowWith(expected);
      expect(batches).toEqual([]);
    }
    await evaluateSets(run, bare, { ...counted, metrics: ['fid'] });
    expect(batches).toHaveLength(1);
  });

  it('refuses what it cannot take, by name', async () => {
    await expect(evaluateSets(run, 'mnits', options())).rejects.toThrowWith({
      type: DataError,
      code: 'DATA_UNKNOWN',
      contains: ["'mnits'", 'mean mnist'],
    });
    await expect(evaluateSets(run, data, { ...options(), count: 1 })).rejects.toThrowWith({
      type: UserError,
      code: 'OPTION_INVALID',
      contains: ['--count', 'at least 2', '1'],
    });
    await expect(evaluateSets(run, data, { ...options(), metrics: ['sfid'] })).rejects.toThrowWith({
      type: EvalError,
      code: 'FEATURES_MISSING',
      contains: ['sfid', 'spatial'],
    });
  });
});

describe('image files', () => {
  let photos: string;
  beforeAll(async () => {
    photos = join(folder, 'photos');
    mkdirSync(photos);
    for (let i = 0; i < 12; i++) {
      // Of several sizes.
      const side = 16 + 4 * (i % 3);
      const image = new Uint8Array(side ** 2).map((_, at) => (at * at * (i + 1)) % 251);
      writeFileSync(join(photos, `${i}.png`), await imageGrid(image, { shape: [side, side, 1], gap: 0 }));
    }
    const files = readdirSync(photos).map((name) => [name, readFileSync(join(photos, name))] as const);
    writeFileSync(join(folder, 'photos.zip'), zipSync(Object.fromEntries(files)));
  });
  const spec = () => `folder:${photos}`;
  const all = { ...options(), count: undefined };
  /** The images of `dataset` as an array file, which is evaluated as it is. */
  const arrayOf = async (size: number, crop?: number, resize: ImageResize = 'bicubic'): Promise<string> => {
    const cropping = crop === undefined ? {} : { crop: { size: crop, at: 'center' } as const };
    const set = await openDataset(spec(), { size, channels: 1, resize, ...cropping });
    const file = join(folder, `array-${size}-${crop}-${resize}.npy`);
    const { images } = await set.read(Array.from({ length: set.length }, (_, i) => i));
    await writeNpy(file, { shape: [set.length, ...set.shape], data: images });
    return file;
  };
  const evaluateAll = async (reference: string, more: object = {}, generated = run) => {
    const { count: _, ...rest } = all;
    return evaluateSets(generated, reference, { ...rest, ...(generated === run && { count: 12 }), ...more });
  };

  it("get the size and channels of the run's images by default, in folders and archives", async () => {
    const expected = await evaluateAll(await arrayOf(8));
    const ofFolder = await evaluateAll(spec());
    expect(ofFolder.reference).toMatchObject({ count: 12, shape: [8, 8, 1] });
    expect(ofFolder.results).toEqual(expected.results);
    expect((await evaluateAll(join(folder, 'photos.zip'))).results).toEqual(expected.results);
  });

  it('are resized and cropped as the data of a run that was trained on files', async () => {
    const { out } = await train({
      ...tinyConfig(folder, 1),
      data: spec(),
      imageSize: 12,
      imageChannels: 1,
      crop: { size: 8, at: 'random' },
      out: join(folder, 'cropped'),
    });
    const options12 = { ...options(), count: 12 };
    const expected = await evaluateSets(out, await arrayOf(12, 8), options12);
    const byDefault = await evaluateSets(out, spec(), options12);
    expect(byDefault.reference.shape).toEqual([8, 8, 1]);
    expect(byDefault.results).toEqual(expected.results);
    const checkpoint = join(out, 'checkpoints', 'step-000001');
    expect((await evaluateSets(spec(), checkpoint, options12)).generated.shape).toEqual([8, 8, 1]);
    const whole = await evaluateSets(out, spec(), { ...options12, imageSize: 8, crop: 'none' });
    expect(whole.results).toEqual((await evaluateSets(out, await arrayOf(8), options12)).results);
  });

  it('are resized by the method of the run, or the one given', async () => {
    const config = { data: spec(), imageSize: 8, imageChannels: 1, imageResize: 'libvips' } as const;
    const { out } = await train({ ...tinyConfig(folder, 1), ...config, out: join(folder, 'former') });
    const [former, now] = await Promise.all([arrayOf(8, undefined, 'libvips'), arrayOf(8)]);
    const options12 = { ...options(), count: 12 };
    const resultsOf = async (reference: string, more: object = {}) =>
      (await evaluateSets(out, reference, { ...options12, ...more })).results;
    expect(await resultsOf(spec())).toEqual(await resultsOf(former));
    expect(await resultsOf(spec(), { imageResize: 'bicubic' })).toEqual(await resultsOf(now));
    expect(await resultsOf(former)).not.toEqual(await resultsOf(now));
    await expect(evaluateAll(data, { imageResize: 'bicubic' })).rejects.toThrowWith({
      type: UserError,
      contains: '--image-resize',
    });
  });

  it('are not the only data that a run crops', async () => {
    const crop = { size: 6, at: 'center' } as const;
    const { out } = await train({ ...tinyConfig(folder, 1), crop, out: join(folder, 'six') });
    expect((await evaluateSets(out, data, options())).reference).toMatchObject({ count: 11, shape: [6, 6, 1] });
    const both = await evaluateAll(data, { crop: 4 }, data);
    expect([both.generated.shape, both.reference.shape]).toEqual([
      [4, 4, 1],
      [4, 4, 1],
    ]);
  });

  it('take options without a run, also of a folder of several sizes', async () => {
    const [a, b] = [spec(), join(folder, 'photos.zip')];
    const gray = { imageSize: 8, imageChannels: 1 } as const;
    const { generated, reference, results } = await evaluateAll(b, gray, a);
    expect([generated.shape, reference.shape]).toEqual([
      [8, 8, 1],
      [8, 8, 1],
    ]);
    expect(results[0]!.value).toBeLessThan(1e-9);
    expect((await evaluateAll(photos, { ...gray, crop: 6 }, a)).reference.shape).toEqual([6, 6, 1]);
    expect((await evaluateAll(b, { imageSize: 8 }, a)).reference.shape).toEqual([8, 8, 3]);
  });

  it('need a size, and sets to use it on', async () => {
    const refused = { type: UserError, code: 'OPTION_INVALID' } as const;
    await expect(evaluateAll(spec(), {}, data)).rejects.toThrowWith({ ...refused, contains: [spec(), '--image-size'] });
    for (const [option, flag] of [
      [{ imageSize: 8 }, '--image-size'],
      [{ imageChannels: 1 }, '--image-channels'],
    ] as const) {
      await expect(evaluateAll(data, option)).rejects.toThrowWith({ ...refused, contains: flag });
    }
    await expect(evaluateAll(run, { crop: 4 })).rejects.toThrowWith({ ...refused, contains: '--crop' });
    await expect(evaluateAll(photos)).rejects.toThrowWith({
      type: EvalError,
      code: 'SET_INVALID',
      contains: 'folder:',
    });
    await expect(evaluateAll(spec(), { imageSize: 'x' })).rejects.toThrowWith({ type: DataError, code: 'DATA_OPTION' });
    await expect(evaluateAll(spec(), { crop: 'x' })).rejects.toThrowWith({ type: DataError, code: 'DATA_OPTION' });
  });

  it('that are bad are skipped and named', async () => {
    const bad = join(photos, 'bad.png');
    writeFileSync(bad, readFileSync(join(photos, '0.png')).subarray(0, 60));
    try {
      await expect(evaluateAll(spec())).rejects.toThrowWith({ type: DataError, contains: 'bad.png' });
      const { reference, warnings } = await evaluateAll(spec(), { skipBad: true });
      expect(reference.count).toBe(12);
      expect(warnings.join('\n')).toContain('bad.png');
    } finally {
      rmSync(bad);
    }
  });
});

describe('createProgressBar', () => {
  it('counts on a terminal, elsewhere not at once', () => {
    const written: string[] = [];
    const write = (text: string) => void written.push(text);
    createProgressBar({ write })('a', 1, 2);
    expect(written).toEqual([]);
    let now = 0;
    const counter = createProgressBar({ isTTY: true, columns: 70, write }, () => now);
    counter('a', 10, 40);
    now = 2000;
    counter('a', 20, 40);
    counter.end();
    expect(written.map((text) => text.replace('\r\u001B[K', ''))).toEqual([
      'a: 10/40  25%',
      'a: 20/40  50%  5.00 images/s  ETA 4 s',
      '',
    ]);
  });
});
