import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMemoryDataset, writeNpy, writeNpz } from '@dm/data';
import sharp from 'sharp';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openArraySource, createArraySource } from './array-source.js';
import { openFolderSource } from './folder-source.js';
import { openDatasetSource, type ImageSource } from './image-source.js';

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'dm-sources-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

async function readAll(source: ImageSource, size = 2): Promise<number[]> {
  const all: number[] = [];
  for await (const batch of source.batches(size)) all.push(...batch);
  return all;
}

const png = (side: number, channels: 1 | 3, value: number) =>
  sharp(Buffer.alloc(side * side * channels, value), { raw: { width: side, height: side, channels } })
    .toColorspace(channels === 1 ? 'b-w' : 'srgb')
    .png()
    .toBuffer();

describe('datasetSource', () => {
  const dataset = createMemoryDataset({
    name: 'ramp',
    images: Uint8Array.from({ length: 10 }, (_, i) => i),
    shape: [1, 1, 1],
  });

  it('reads all in order, or a choice by seed in ascending order', async () => {
    expect(await readAll(await openDatasetSource(dataset), 3)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const [five, again, other] = await Promise.all(
      [0, 0, 1].map((seed) => openDatasetSource(dataset, { count: 5, seed })),
    );
    const images = await readAll(five!, 3);
    expect(images).toEqual(images.toSorted((a, b) => a - b));
    expect(new Set(images).size).toBe(5);
    expect(await readAll(again!)).toEqual(images);
    expect(again!.sha256).toBe(five!.sha256);
    expect(other!.sha256).not.toBe(five!.sha256);
    expect(await readAll(other!)).not.toEqual(images);
  });

  it('refuses a count that cannot be, and a set of one image', async () => {
    await expect(openDatasetSource(dataset, { count: 11 })).rejects.toThrowWith({
      type: RangeError,
      contains: ['2 to 10', 'got 11'],
    });
    const one = createMemoryDataset({ name: 'one', images: new Uint8Array(1), shape: [1, 1, 1] });
    await expect(openDatasetSource(one)).rejects.toThrowWith({
      code: 'SET_TOO_SMALL',
      contains: ['one: 1 image', 'at least 2'],
    });
  });
});

describe('arraySource', () => {
  it('takes bytes and floats from .npy and .npz', async () => {
    const dir = folder();
    await writeNpy(join(dir, 'a.npy'), { shape: [3, 1, 2, 1], data: Float32Array.of(-1, 1, 0, 0.5, -0.5, 2) });
    const a = await openArraySource(join(dir, 'a.npy'));
    expect([a.shape, a.length]).toEqual([[1, 2, 1], 3]);
    expect(await readAll(a)).toEqual([0, 255, 128, 191, 64, 255]);
    await writeNpz(join(dir, 'b.npz'), { arr_0: { shape: [2, 1, 1, 3], data: Uint8Array.of(1, 2, 3, 4, 5, 6) } });
    expect(await readAll(await openArraySource(join(dir, 'b.npz')))).toEqual([1, 2, 3, 4, 5, 6]);
    await writeNpz(join(dir, 'c.npz'), { mu: { shape: [1], data: Float64Array.of(1) } });
    await expect(openArraySource(join(dir, 'c.npz'))).rejects.toThrowWith({
      code: 'SET_INVALID',
      contains: ['images, samples, x, arr_0', 'it has: mu'],
    });
  });

  it('names an image with NaN, or leaves it out', async () => {
    const data = Float32Array.of(0, -1, 0.5, NaN, 1, 0);
    const array = { shape: [3, 1, 2, 1], data };
    await expect(readAll(createArraySource('x', array))).rejects.toThrowWith({
      code: 'SET_INVALID',
      contains: ['x: image 1', 'NaN at position 1'],
    });
    const source = createArraySource('x', array, { skipBad: true });
    expect(await readAll(source)).toEqual([128, 0, 255, 128]);
    expect(source.skipped).toEqual([expect.stringMatching(/^x: image 1 .* NaN/)]);
  });

  it('refuses other ranges, layouts and kinds of numbers, and notes what may be [0, 1]', () => {
    const floats = (...values: number[]) => ({ shape: [2, 1, 1], data: Float32Array.from(values) });
    expect(() => createArraySource('x', floats(0, 255))).toThrowWith({
      code: 'SET_INVALID',
      contains: ['0.000 to 255.0', '[-1, 1]'],
    });
    expect(createArraySource('x', floats(0, 1)).notes[0]).toContain('not [0, 1]');
    expect(createArraySource('x', floats(-1, 1)).notes).toEqual([]);
    const first = { shape: [2, 3, 8, 8], data: new Uint8Array(2 * 3 * 64) };
    expect(() => createArraySource('x', first)).toThrowWith({
      code: 'SET_INVALID',
      contains: ['x is [2, 3, 8, 8]', '[N, H, W]'],
    });
    expect(() => createArraySource('x', { shape: [2, 1, 1], data: new Int32Array(2) })).toThrowWith({
      code: 'SET_INVALID',
      contains: ['x is Int32Array', 'uint8'],
    });
  });
});

describe('folderSource', () => {
  it('reads images of sub-folders in the order of their paths, gray as gray', async () => {
    const dir = folder();
    mkdirSync(join(dir, 'b'));
    writeFileSync(join(dir, 'b', '2.png'), await png(2, 1, 20));
    writeFileSync(join(dir, 'a.png'), await png(2, 1, 10));
    writeFileSync(join(dir, 'notes.txt'), 'no image');
    const source = await openFolderSource(dir);
    expect(source.shape).toEqual([2, 2, 1]);
    expect(await readAll(source)).toEqual([10, 10, 10, 10, 20, 20, 20, 20]);
  });

  it('takes the first frame of a gif, as a data set of images does', async () => {
    const dir = folder();
    const frames = [await png(2, 3, 0), await png(2, 3, 255)];
    await sharp(frames, { join: { animated: true } })
      .gif()
      .toFile(join(dir, 'two.gif'));
    expect((await sharp(join(dir, 'two.gif')).metadata()).pages).toBe(2);
    writeFileSync(join(dir, 'z.png'), await png(2, 3, 7));
    const source = await openFolderSource(dir);
    expect(source.shape).toEqual([2, 2, 3]);
    expect(await readAll(source)).toEqual([0, 7].flatMap((value) => Array<number>(12).fill(value)));
  });

  it.each([
    ['cut off within its pixels', (bytes: Buffer) => bytes.subarray(0, bytes.length - 30)],
    ['no image at all', () => Buffer.from('not a png')],
  ])('names a file that is %s, or leaves it out', async (_, damage) => {
    const dir = folder();
    for (const name of ['a', 'b', 'c']) writeFileSync(join(dir, `${name}.png`), await png(8, 3, 7));
    writeFileSync(join(dir, 'bad.png'), damage(await png(8, 3, 9)));
    const read = async () => readAll(await openFolderSource(dir));
    await expect(read()).rejects.toThrowWith({ code: 'SET_INVALID', contains: ['bad.png', '--skip-bad'] });
    symlinkSync('gone.png', join(dir, 'broken.png'));
    await expect(read()).rejects.toThrowWith({ code: 'SET_INVALID', contains: ['broken.png', '--skip-bad'] });
    const source = await openFolderSource(dir, { skipBad: true });
    expect(await readAll(source)).toEqual(Array.from({ length: 3 * 8 * 8 * 3 }, () => 7));
    expect(source.skipped).toEqual([
      expect.stringContaining(join(dir, 'broken.png')),
      expect.stringMatching(/bad\.png: cannot be decoded/),
    ]);
  });

  it('names a file that cannot be read, or leaves it out', async () => {
    const dir = folder();
    writeFileSync(join(dir, 'a.png'), await png(8, 3, 7));
    writeFileSync(join(dir, 'b.png'), await png(8, 3, 7));
    writeFileSync(join(dir, 'large.png'), new Uint8Array(9000));
    const limits = { maxFileBytes: 8000 };
    await expect(openFolderSource(dir, { limits })).rejects.toThrowWith({
      code: 'SET_INVALID',
      contains: ['large.png', '--skip-bad'],
    });
    const source = await openFolderSource(dir, { skipBad: true, limits });
    // One that is gone when it is read.
    rmSync(join(dir, 'b.png'));
    expect(await readAll(source)).toEqual(Array.from({ length: 8 * 8 * 3 }, () => 7));
    expect(source.skipped).toEqual([expect.stringContaining('large.png'), expect.stringContaining('b.png')]);
  });

  it('refuses mixed sizes and channels, naming two files, and a folder without images', async () => {
    const dir = folder();
    await expect(openFolderSource(dir)).rejects.toThrowWith({ code: 'SET_INVALID', contains: ['no images', '.jpg'] });
    writeFileSync(join(dir, 'a.png'), await png(8, 3, 1));
    writeFileSync(join(dir, 'b.png'), await png(8, 3, 1));
    writeFileSync(join(dir, 'z.png'), await png(8, 1, 1));
    await expect(openFolderSource(dir)).rejects.toThrowWith({
      code: 'SET_INVALID',
      contains: ['a.png is 8x8x3', 'z.png is 8x8x1'],
    });
    writeFileSync(join(dir, 'z.png'), await png(9, 3, 1));
    await expect(openFolderSource(dir, { skipBad: true })).rejects.toThrowWith({
      code: 'SET_INVALID',
      contains: ['z.png is 9x9x3'],
    });
    await expect(openFolderSource(join(dir, 'none'))).rejects.toThrowWith({ code: 'SET_INVALID', contains: ['none'] });
  });
});
