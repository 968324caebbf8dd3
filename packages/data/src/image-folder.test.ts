import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { beforeEach, describe, expect, it } from 'vitest';
import { openImageFolder } from './image-folder.js';
import { openDataset } from './open.js';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'dm-folder-'));
});

/** One colour, but for the left and right edge columns where `edge` is given. */
async function image(name: string, colour: number[], size: { width: number; height: number; edge?: number[] }) {
  const { width, height, edge } = size;
  const channels = colour.length as 3 | 4;
  const data = Uint8Array.from({ length: width * height * channels }, (_, i) => {
    const x = Math.floor(i / channels) % width;
    const outer = edge && (x < width / 4 || x >= (3 * width) / 4);
    return (outer ? edge : colour)[i % channels]!;
  });
  const path = join(root, name);
  await mkdir(dirname(path), { recursive: true });
  await sharp(data, { raw: { width, height, channels } }).toFile(path);
  return path;
}

describe('openImageFolder', () => {
  it('takes sub-folders as classes, in the order of code units, and decodes png, jpg and webp', async () => {
    await image('b/1.png', [10, 20, 30], { width: 8, height: 8 });
    await image('b/2.webp', [0, 0, 0], { width: 8, height: 8 });
    await image('Z/1.jpg', [255, 255, 255], { width: 8, height: 8 });
    await image('a/deep/1.PNG', [1, 2, 3], { width: 8, height: 8 });
    await writeFile(join(root, 'a', 'notes.txt'), 'no image');
    await writeFile(join(root, '.hidden.png'), 'no image');
    const set = await openImageFolder({ path: root, size: 4 });
    expect([set.length, set.shape, set.classes]).toEqual([4, [4, 4, 3], ['Z', 'a', 'b']]);
    const { images, labels } = await set.read([0, 1, 2, 3]);
    expect([...labels!]).toEqual([0, 1, 2, 2]);
    expect([0, 1, 2, 3].map((n) => [...images.subarray(n * 48, n * 48 + 3)])).toEqual([
      [255, 255, 255],
      [1, 2, 3],
      [10, 20, 30],
      [0, 0, 0],
    ]);
    expect(await set.hash()).toBe(await (await openDataset(`folder:${root}`, { size: 4 })).hash());
    expect(await set.hash()).not.toBe(await (await openImageFolder({ path: root, size: 5 })).hash());
  });

  it('cuts the middle out of a wide image', async () => {
    await image('wide.png', [200, 100, 0], { width: 16, height: 8, edge: [0, 0, 255] });
    const set = await openImageFolder({ path: root, size: 8 });
    const { images, labels } = await set.read([0]);
    expect(labels).toBeUndefined();
    expect(new Set(Array.from({ length: 64 }, (_, p) => images.subarray(p * 3, p * 3 + 3).join()))).toEqual(
      new Set(['200,100,0']),
    );
  });

  it('makes grey of colour, colour of grey, and white of transparent', async () => {
    await image('1.png', [90, 90, 90], { width: 4, height: 4 });
    await sharp(Uint8Array.of(7, 7, 7, 7), { raw: { width: 2, height: 2, channels: 1 } }).toFile(join(root, '2.png'));
    await image('3.png', [0, 0, 0, 0], { width: 4, height: 4 });
    const grey = await (await openImageFolder({ path: root, size: 2, channels: 1 })).read([0, 1, 2]);
    expect([...grey.images]).toEqual([90, 90, 90, 90, 7, 7, 7, 7, 255, 255, 255, 255]);
    const colour = await (await openImageFolder({ path: root, size: 1 })).read([0, 1, 2]);
    expect([...colour.images]).toEqual([90, 90, 90, 7, 7, 7, 255, 255, 255]);
  });

  it('names a corrupt image among good ones', async () => {
    await image('1.png', [1, 1, 1], { width: 4, height: 4 });
    await writeFile(join(root, '2.jpg'), 'this is no jpeg');
    const noise = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) % 251);
    const cut = await sharp(noise, { raw: { width: 64, height: 64, channels: 3 } })
      .png()
      .toBuffer();
    await writeFile(join(root, '3.png'), cut.subarray(0, cut.length / 2));
    const set = await openImageFolder({ path: root, size: 4 });
    expect((await set.read([0])).images.length).toBe(48);
    await expect(set.read([0, 1])).rejects.toThrow(/2\.jpg: cannot be decoded/);
    await expect(set.read([2])).rejects.toThrow(/3\.png: cannot be decoded/);
  });

  it('refuses folders and sizes that cannot be', async () => {
    await expect(openImageFolder({ path: root, size: 8 })).rejects.toThrow(/no images there \(looked for \.jpg/);
    await expect(openImageFolder({ path: join(root, 'absent'), size: 8 })).rejects.toThrow(/no such folder/);
    for (const size of [0, -1, 2.5, 5000, NaN]) {
      await expect(openImageFolder({ path: root, size })).rejects.toThrow(`image size ${size}; it must be an integer`);
    }
    await image('loose.png', [1, 1, 1], { width: 4, height: 4 });
    await expect(openImageFolder({ path: join(root, 'loose.png'), size: 8 })).rejects.toThrow(/not a folder/);
    await image('class/1.png', [1, 1, 1], { width: 4, height: 4 });
    await expect(openImageFolder({ path: root, size: 8 })).rejects.toThrow(
      /both in class folders \(class, \.\.\.\) and/,
    );
  });
});
