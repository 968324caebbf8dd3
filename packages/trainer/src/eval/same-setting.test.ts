import { readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { quickConfig, tinyFolder } from '../testing/tiny.js';
import { train } from '../train.js';
import { imagesHash, isSameSetting } from './same-setting.js';

let folder: string;
beforeEach(async () => {
  folder = await tinyFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('settings are the same if everything is but the place of the data', () => {
  const a = { data: 'a', images: 32, imagesSha256: 'x' };
  const { imagesSha256: _, ...earlier } = a;
  expect(isSameSetting(a, { ...a, data: 'b' })).toBe(true);
  expect(isSameSetting(a, { ...a, imagesSha256: 'y' })).toBe(false);
  expect(isSameSetting(a, { ...a, images: 64 })).toBe(false);
  expect(isSameSetting<{ data: string; images: number }>(earlier, a)).toBe(true);
  expect(isSameSetting<{ data: string; images: number }>({ ...earlier, images: 64 }, a)).toBe(false);
});

it('the hash of images depends on images and classes', () => {
  const images = Float32Array.of(1, 2);
  const hashes = [
    imagesHash(images, undefined),
    imagesHash(images, Int32Array.of(0)),
    imagesHash(images, Int32Array.of(1)),
    imagesHash(Float32Array.of(1, 3), undefined),
  ];
  expect(new Set(hashes).size).toBe(4);
  expect(imagesHash(Float32Array.of(0, 1, 2).subarray(1), undefined)).toBe(hashes[0]);
});

it('a run whose data were moved keeps the lines of its probes, and says nothing of other images', async () => {
  const config = {
    ...quickConfig(folder, 4),
    probe: { every: 1, images: 2, buckets: 2 },
    validation: { every: 1, images: 4 },
    holdOut: 0.3,
    out: join(folder, 'run'),
  };
  const notes: string[] = [];
  await train({ ...config, budgets: { steps: 2 } });
  const lines = () => readFileSync(join(config.out, 'difficulty.jsonl'), 'utf8').trim().split('\n');
  expect(lines()).toHaveLength(4); // the setting, and steps 0 to 2
  renameSync(join(folder, 'data.npz'), join(folder, 'moved.npz'));
  const hooks = { onNote: (text: string) => notes.push(text) };
  await train({ out: config.out, data: join(folder, 'moved.npz') }, { resume: true, hooks });
  expect(lines()).toHaveLength(6);
  expect(notes.filter((text) => /difficulty|validation/.test(text))).toEqual([]);
});
