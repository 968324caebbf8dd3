// `dm eval` as a person would run it.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { imageGrid, openDataset, writeNpy } from '@dm/data';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dm, dmJson } from '../testing/command.js';
import { tinyConfig, tinyFolder } from '../testing/tiny.js';
import { train } from '../train.js';

let folder: string;
beforeAll(async () => {
  folder = await tinyFolder();
  const config = tinyConfig(folder, 2);
  await train({ ...config, out: join(folder, 'a') });
  await train({ ...config, seed: 1, out: join(folder, 'b') });
  // The data as a folder of pictures.
  const dataset = await openDataset(join(folder, 'data.npz'));
  mkdirSync(join(folder, 'pictures'));
  for (let i = 0; i < 12; i++) {
    const { images } = await dataset.read([i]);
    const png = await imageGrid(images, { shape: [8, 8, 1], gap: 0 });
    writeFileSync(join(folder, 'pictures', `${String(i).padStart(2, '0')}.png`), png);
  }
  process.env['DM_CACHE'] = join(folder, 'cache');
});
afterAll(() => {
  delete process.env['DM_CACHE'];
  rmSync(folder, { recursive: true, force: true });
});

const pixels = ['--extractor', 'pixels'];

describe('dm eval', () => {
  it('judges a run against a folder of images, and keeps the statistics of the folder', async () => {
    const args = ['eval', 'a', 'pictures', '--count', '12', '--metrics', 'fid,kid,pr,dc', ...pixels];
    const table = await dm(args, folder);
    expect(table).toMatchObject({ code: 0, stderr: '' });
    expect(table.stdout).toMatch(/generated +a\/checkpoints\/step-000002: 12 .*8x8x1\n/);
    expect(table.stdout).toMatch(/FD-pixels\s+[\d.]+.*\nKD-pixels.*\nprecision.*\nrecall.*\ndensity.*\ncoverage/);
    expect(table.stdout).toMatch(/^Not comparable with /m);
    expect(table.stdout).toMatch(/note: 12 images.*\b64\b/);
    expect(readdirSync(join(folder, 'cache', 'eval'))).toEqual([expect.stringMatching(/^pixels-[\da-f]{24}\.npz$/)]);

    const json = await dm([...args, '--json'], folder);
    const report = JSON.parse(json.stdout) as { event: string; results: { label: string; value: number }[] };
    expect(report.event).toBe('eval');
    expect(report.results.map(({ label }) => label)).toContain('KD-pixels');
    expect(table.stdout).toContain(String(Number(report.results[0]!.value.toPrecision(5))));
  });

  it('takes statistics that dm eval statistics wrote, and a set against itself is 0 apart', async () => {
    const written = await dm(['eval', 'statistics', 'data.npz', '--out', 'kept.npz', '--features', ...pixels], folder);
    expect(written.stdout).toMatch(/23 images.*data\.npz\/images.*pixels: kept\.npz/);
    const same = await dm(['eval', 'data.npz', 'kept.npz', '--json', ...pixels], folder);
    expect(same).toMatchObject({ code: 0, stderr: '' });
    const { results } = JSON.parse(same.stdout) as { results: { label: string; value: number }[] };
    expect(results[0]!.value).toBeLessThan(1e-9);
  });

  it('names a corrupt picture and stops, or leaves it out and says how many were used', async () => {
    const bad = join(folder, 'pictures', '99.png');
    writeFileSync(bad, readFileSync(join(folder, 'pictures', '00.png')).subarray(0, 40));
    const args = ['eval', 'a', 'pictures', '--count', '12', ...pixels];
    await expect(dmJson(args, folder)).rejects.toThrowWith({
      code: 'SET_INVALID',
      contains: ['pictures/99.png', '--skip-bad'],
    });
    const skipped = await dm([...args, '--skip-bad'], folder);
    rmSync(bad);
    expect(skipped.code).toBe(0);
    expect(skipped.stdout).toMatch(/pictures: 12 .*\b1 left/);
    expect(skipped.stdout).toContain('pictures/99.png: cannot be decoded');
  });

  it('refuses what it cannot do, in one line', async () => {
    const refused = (args: string[], code: string, ...contains: string[]) =>
      expect(dmJson(['eval', ...args], folder)).rejects.toThrowWith({ code, contains });
    await refused(['a', 'pictures', '--metrics', 'fdi', ...pixels], 'OPTION_UNKNOWN', '--metrics', 'fdi', 'fid');
    await refused(['a', 'pictures', '--metrics', 'sfid', ...pixels], 'FEATURES_MISSING', 'sfid', 'spatial', 'pixels');
    await refused(['a', 'pictures', '--extractor', 'pixel'], 'OPTION_UNKNOWN', '"pixel"', 'mean "pixels"');
    await writeNpy(join(folder, 'wide.npy'), { shape: [3, 8, 9], data: new Uint8Array(3 * 72) });
    await refused(['wide.npy', 'pictures', ...pixels], 'SETS_MISMATCH', 'wide.npy', '8x9x1', 'pictures', '8x8x3');
  });
});

describe('dm eval consistency', () => {
  it('compares two runs from the same noise and draws the picture', async () => {
    const args = ['eval', 'consistency', 'a', 'b', '--count', '6', '--seed', '4', '--levels', '2', ...pixels];
    const table = await dm([...args, '--grid', 'grid.png'], folder);
    expect(table).toMatchObject({ code: 0, stderr: '' });
    expect(table.stdout).toMatch(/^6 samples.*8x8x1.*2 models/);
    for (const row of ['cosine', 'mae', 'psnr', 'ssim', 'reproduced', 'log SNR']) {
      expect(table.stdout).toMatch(new RegExp(`^${row}.* \\[`, 'm'));
    }
    expect(existsSync(join(folder, 'grid.png'))).toBe(true);
    const json = JSON.parse((await dm([...args, '--json'], folder)).stdout) as Record<string, unknown>;
    expect(json).toMatchObject({ event: 'consistency', sets: ['a', 'b'], count: 6 });
    expect(json['denoisers']).toHaveLength(2);
  });
});
