// Classes by name, from the data to samples and exports.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { imageGrid, openDataset, readNpz } from '@dm/data';
import { parseSafetensors } from '@dm/models';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkImageOutput, writeImages } from '../files/images.js';
import { exportModel } from '../interchange/export.js';
import { importPipeline } from '../interchange/import.js';
import { tinyConfig, tinyFolder } from '../testing/tiny.js';
import { train } from '../train.js';
import { resolveConfig } from '../config/resolve.js';
import { chosenClasses, classCounts } from './class-labels.js';
import { generateSamples } from './generate-samples.js';

let folder: string;
/** A conditional run on the classes cats and dogs. */
let run: string;
const inFolder = (...names: string[]) => join(folder, ...names);
const json = (...names: string[]) => JSON.parse(readFileSync(inFolder(...names), 'utf8')) as Record<string, unknown>;

beforeAll(async () => {
  folder = await tinyFolder();
  for (const [label, name] of ['cats', 'dogs'].entries()) {
    mkdirSync(inFolder('photos', name), { recursive: true });
    const gray = new Uint8Array(64).fill(100 * label);
    const png = await imageGrid(gray, { shape: [8, 8, 1], gap: 0 });
    for (let i = 0; i < 3; i++) writeFileSync(inFolder('photos', name, `${i}.png`), png);
  }
  run = inFolder('run');
  await train({
    ...tinyConfig(folder, 1),
    data: `folder:${inFolder('photos')}`,
    imageSize: 8,
    imageChannels: 1,
    conditional: true,
  });
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('classes', () => {
  it('are saved by name with the run, and chosen by name or number', async () => {
    expect(json('run', 'config.json')).toMatchObject({ recorded: { data: { classes: ['cats', 'dogs'] } } });
    const sample = (label?: string | number | string[]) =>
      generateSamples({ run, count: 3, ...(label !== undefined && { label }) });
    const all = await sample();
    expect([...all.labels!]).toEqual([0, 1, 0]);
    expect(all.classes).toEqual([
      { label: 0, name: 'cats', images: 2 },
      { label: 1, name: 'dogs', images: 1 },
    ]);
    expect([...(await sample('dogs,cats')).labels!]).toEqual([1, 0, 1]);
    const dogs = await sample('dogs');
    expect([...dogs.labels!]).toEqual([1, 1, 1]);
    // The same noise and class as the second of all.
    expect(dogs.images.subarray(64, 128)).toEqual(all.images.subarray(64, 128));
    expect((await sample(1)).images).toEqual(dogs.images);
    expect((await sample(['1'])).images).toEqual(dogs.images);
  });

  it('that are unknown are refused with those there are', async () => {
    const sample = async (label: string | number) => generateSamples({ run, count: 1, label });
    const wrong = { code: 'CLASS_UNKNOWN', contains: ['0 cats', '1 dogs'] };
    await expect(sample('cats,horses')).rejects.toThrowWith({ ...wrong, contains: ['horses', '0 cats', '1 dogs'] });
    await expect(sample(2)).rejects.toThrowWith(wrong);
    await expect(sample(-1)).rejects.toThrowWith(wrong);
    await expect(sample(0.5)).rejects.toThrowWith(wrong);
    await expect(sample('')).rejects.toThrowWith(wrong);
  });

  it('without names of their own are listed by number only', () => {
    const data = { classes: ['0', '1'] };
    const choose = () => chosenClasses({ classes: 2, config: { ...resolveConfig(), recorded: { data } } }, 2);
    expect(choose).toThrowWith({ code: 'CLASS_UNKNOWN', contains: ['--label 2', '0 to 1'] });
    expect(choose).not.toThrow(/0 0/);
  });

  it('get so many images each', async () => {
    const { labels, classes } = await generateSamples({ run, perClass: 2 });
    expect([...labels!]).toEqual([0, 1, 0, 1]);
    expect(classes.map(({ images }) => images)).toEqual([2, 2]);
    expect((await generateSamples({ run, perClass: 2, label: 'dogs' })).shape[0]).toBe(2);
    for (const options of [{ perClass: 0 }, { perClass: 1.5 }, { perClass: 1, count: 2 }]) {
      await expect(generateSamples({ run, ...options })).rejects.toThrowWith({ code: 'OPTION_INVALID' });
    }
  });

  it('are counted in the order of their numbers', () => {
    expect(classCounts(Int32Array.of(3, 1, 3), undefined)).toEqual([
      { label: 1, name: '1', images: 1 },
      { label: 3, name: '3', images: 2 },
    ]);
  });

  it('are named in exports, and come back from a pipeline', async () => {
    await exportModel({ run, format: 'safetensors', out: inFolder('model.safetensors') });
    const { metadata } = parseSafetensors(readFileSync(inFolder('model.safetensors')));
    expect(JSON.parse(metadata['classes']!)).toEqual(['cats', 'dogs']);
    await exportModel({ run, format: 'diffusers', out: inFolder('pipeline') });
    expect(json('pipeline', 'model_index.json')).toMatchObject({ _id2label: { 0: 'cats', 1: 'dogs' } });
    await importPipeline({ folder: inFolder('pipeline'), out: inFolder('imported') });
    const { classes } = await generateSamples({
      run: inFolder('imported'),
      count: 1,
      label: 'dogs',
      engine: 'tfjs-cpu',
    });
    expect(classes).toEqual([{ label: 1, name: 'dogs', images: 1 }]);
  });
});

describe('writing samples', () => {
  it('as an .npz of bytes and labels', async () => {
    const samples = await generateSamples({ run, count: 3 });
    await writeImages(inFolder('samples.npz'), samples);
    const { arr_0: images, arr_1: labels } = await readNpz(inFolder('samples.npz'));
    expect([images!.shape, images!.data.constructor]).toEqual([[3, 8, 8, 1], Uint8Array]);
    expect([...(labels!.data as Int32Array)]).toEqual([0, 1, 0]);
  });

  it('as single images in a folder, which is read as a data set with their labels', async () => {
    const samples = await generateSamples({ run, count: 3 });
    await writeImages(inFolder('single'), samples);
    expect(readdirSync(inFolder('single')).toSorted()).toEqual(['0000.png', '0001.png', '0002.png', 'dataset.json']);
    const set = await openDataset(`folder:${inFolder('single')}`, { size: 8, channels: 1 });
    const { images, labels } = await set.read([0, 1, 2]);
    expect([...labels!]).toEqual([0, 1, 0]);
    await writeImages(inFolder('samples.npz'), samples);
    expect(images).toEqual((await readNpz(inFolder('samples.npz')))['arr_0']!.data);
    await expect(writeImages(inFolder('single'), samples)).rejects.toThrowWith({ code: 'FILE_EXISTS' });
  });

  it.each([
    ['a folder that is not empty', 'photos', 'FILE_EXISTS'],
    ['a folder by the name of a grid', 'taken.png', 'FILE_EXISTS'],
    ['a folder that is missing', 'none/samples.png', 'FILE_NOT_FOUND'],
    ['a file in place of the folder', 'data.npz/samples.png', 'FILE_NOT_FOUND'],
    ['another kind of file', 'samples.jpg', 'OPTION_INVALID'],
  ])('is refused before the work: %s', (_, name, code) => {
    mkdirSync(inFolder('taken.png'), { recursive: true });
    expect(() => checkImageOutput(inFolder(name))).toThrowWith({ code, contains: inFolder(name) });
  });

  it('to a new file, a new folder, an empty one, or over a file may begin', () => {
    mkdirSync(inFolder('empty'), { recursive: true });
    for (const name of ['new.png', 'new.npz', 'new', 'new/', 'a.b/', 'empty', 'data.npz']) {
      expect(() => checkImageOutput(inFolder(name) + (name.endsWith('/') ? '/' : ''))).not.toThrow();
    }
  });
});
