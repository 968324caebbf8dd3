import { spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { beforeEach, describe, expect, it } from 'vitest';
import { openImageFolder } from './image-folder.js';
import { createMemoryDataset } from '../datasets/memory.js';
import { openDataset } from '../datasets/open-dataset.js';

// prettier-ignore
const PILLOW = [
  74, 86, 98, 159, 156, 150, 119, 114, 119, 130, 131, 130, 124, 127, 128, 124, 130, 126,
  115, 139, 151, 146, 132, 121, 119, 124, 132, 128, 125, 125, 126, 127, 128, 126, 129, 128,
  143, 157, 146, 127, 118, 116, 127, 133, 125, 128, 127, 125, 130, 125, 127, 128, 127, 129,
  152, 146, 133, 118, 122, 129, 132, 130, 126, 127, 126, 123, 126, 124, 123, 126, 129, 129,
  150, 134, 126, 120, 127, 127, 134, 131, 127, 128, 128, 129, 127, 128, 131, 129, 128, 121,
  144, 128, 124, 122, 128, 127, 130, 128, 129, 128, 123, 127, 129, 126, 124, 128, 127, 131,
];

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'dm-folder-'));
});

/** One color, but for the left and right edge columns where `edge` is given. */
async function image(name: string, color: number[], size: { width: number; height: number; edge?: number[] }) {
  const { width, height, edge } = size;
  const channels = color.length as 3 | 4;
  const data = Uint8Array.from({ length: width * height * channels }, (_, i) => {
    const x = Math.floor(i / channels) % width;
    const outer = edge && (x < width / 4 || x >= (3 * width) / 4);
    return (outer ? edge : color)[i % channels]!;
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

  it('makes gray of color, color of gray, and white of transparent', async () => {
    await image('1.png', [90, 90, 90], { width: 4, height: 4 });
    await sharp(Uint8Array.of(7, 7, 7, 7), { raw: { width: 2, height: 2, channels: 1 } }).toFile(join(root, '2.png'));
    await image('3.png', [0, 0, 0, 0], { width: 4, height: 4 });
    const gray = await (await openImageFolder({ path: root, size: 2, channels: 1 })).read([0, 1, 2]);
    expect([...gray.images]).toEqual([90, 90, 90, 90, 7, 7, 7, 7, 255, 255, 255, 255]);
    const color = await (await openImageFolder({ path: root, size: 1 })).read([0, 1, 2]);
    expect([...color.images]).toEqual([90, 90, 90, 7, 7, 7, 255, 255, 255]);
  });

  it('takes the first frame of a gif', async () => {
    const frames = Uint8Array.from({ length: 2 * 4 * 3 }, (_, i) => (i < 12 ? 200 : 40));
    await sharp(frames, { raw: { width: 2, height: 4, channels: 3, pageHeight: 2 } })
      .gif()
      .toFile(join(root, 'two.gif'));
    expect((await sharp(join(root, 'two.gif')).metadata()).pages).toBe(2);
    const set = await openImageFolder({ path: root, size: 1 });
    expect([...(await set.read([0])).images]).toEqual([200, 200, 200]);
  });

  it('resizes without aliasing, as Pillow does', async () => {
    const [width, height] = [64, 48];
    const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
      const [x, y, c] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width), i % 3];
      return Math.floor((3 * x * x + 5 * y * (c + 1) + x * y * (c + 2)) / 7) % 256;
    });
    await sharp(data, { raw: { width, height, channels: 3 } }).toFile(join(root, 'x.png'));
    const { images } = await (await openImageFolder({ path: root, size: 6 })).read([0]);
    // Pillow 12.3: Image.fromarray(data).resize((8, 6), Image.LANCZOS), columns 1 to 6. libvips first
    // averages by a whole factor, which leaves a few gray levels between the two.
    const differences = PILLOW.map((value, i) => Math.abs(value - images[i]!));
    expect(Math.max(...differences)).toBeLessThanOrEqual(8);
    // What aliasing gives: every eighth pixel is another picture.
    const nearest = PILLOW.map((value, i) => {
      const [x, y, c] = [Math.floor(i / 3) % 6, Math.floor(i / 18), i % 3];
      return Math.abs(value - data[((8 * y + 4) * width + 8 * (x + 1) + 4) * 3 + c]!);
    });
    expect(Math.max(...nearest)).toBeGreaterThan(80);
  });

  it('decodes off the main thread: the event loop goes round meanwhile', async () => {
    const noise = Uint8Array.from({ length: 600 * 600 * 3 }, (_, i) => (i * 7919) % 251);
    for (let i = 0; i < 6; i++) {
      await sharp(noise, { raw: { width: 600, height: 600, channels: 3 } }).toFile(join(root, `${i}.png`));
    }
    const set = await openImageFolder({ path: root, size: 32 });
    let turns = 0;
    let reading = true;
    const count = (): void => {
      turns++;
      if (reading) setImmediate(count);
    };
    count();
    await set.read([0, 1, 2, 3, 4, 5]);
    reading = false;
    // Decoded on the main thread, the six would leave about two turns each.
    expect(turns).toBeGreaterThan(100);
  });

  it('names a corrupt image among good ones, and leaves it out on request', async () => {
    await image('1.png', [1, 1, 1], { width: 4, height: 4 });
    await writeFile(join(root, '2.jpg'), 'this is no jpeg');
    const noise = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) % 251);
    const cut = await sharp(noise, { raw: { width: 64, height: 64, channels: 3 } })
      .png()
      .toBuffer();
    await writeFile(join(root, '3.png'), cut.subarray(0, cut.length / 2));
    const set = await openImageFolder({ path: root, size: 4 });
    expect((await set.read([0])).images.length).toBe(48);
    await expect(set.read([0, 1])).rejects.toThrowWith({ code: 'DATA_CORRUPT', contains: ['2.jpg'] });
    await expect(set.read([2])).rejects.toThrowWith({ code: 'DATA_CORRUPT', contains: ['3.png'] });

    const good = await openDataset(`folder:${root}`, { size: 4, skipBad: true });
    expect(good.length).toBe(1);
    expect(good.notes).toEqual([
      expect.stringMatching(/^2 of 3 images /),
      expect.stringMatching(/2\.jpg: cannot be decoded/),
      expect.stringMatching(/3\.png: cannot be decoded/),
    ]);
    expect((await good.read([0])).images).toEqual((await set.read([0])).images);
    const alone = await createMemoryDataset({
      name: 'x',
      images: (await set.read([0])).images,
      shape: [4, 4, 3],
    }).hash();
    expect(await good.hash()).toBe(alone);
    await rm(join(root, '1.png'));
    await expect(openDataset(`folder:${root}`, { size: 4, skipBad: true })).rejects.toThrowWith({
      code: 'DATA_EMPTY',
      contains: ['2 images', '2.jpg'],
    });
  });

  it.each(['jpeg', 'png', 'webp', 'gif'] as const)('says that a %s which is cut short ends early', async (format) => {
    const noise = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919 * (i >> 3)) % 251);
    const whole = await sharp(noise, { raw: { width: 64, height: 64, channels: 3 } })
      .toFormat(format)
      .toBuffer();
    for (const share of [0.05, 0.5, 0.9]) {
      await writeFile(join(root, 'cut.png'), whole.subarray(0, Math.floor(share * whole.length)));
      const set = await openImageFolder({ path: root, size: 4 });
      await expect(set.read([0])).rejects.toThrowWith({
        code: 'DATA_CORRUPT',
        contains: ['cut.png', 'ends early', String(Math.floor(share * whole.length))],
      });
    }
  });

  it('names the option that raises the limit of pixels', async () => {
    await image('1.png', [1, 1, 1], { width: 40, height: 40 });
    const set = await openImageFolder({ path: root, size: 4, limits: { maxPixels: 1599 } });
    await expect(set.read([0])).rejects.toThrowWith({
      code: 'DATA_LIMIT',
      contains: ['1.png', '1600', '1599', '--limit maxPixels=', 'limits.maxPixels'],
    });
  });

  it('keeps the classes of the remaining images if bad ones are skipped', async () => {
    await image('a/1.png', [1, 1, 1], { width: 4, height: 4 });
    await writeFile(join(root, 'a', '2.png'), '');
    await image('b/1.png', [2, 2, 2], { width: 4, height: 4 });
    const set = await openImageFolder({ path: root, size: 1, skipBad: true });
    const { images, labels } = await set.read([0, 1]);
    expect([[...labels!], images[0], images[3]]).toEqual([[0, 1], 1, 2]);
  });

  it('names a file that cannot be read: gone, a link to nowhere', async () => {
    await image('1.png', [1, 1, 1], { width: 4, height: 4 });
    await image('2.png', [1, 1, 1], { width: 4, height: 4 });
    const set = await openImageFolder({ path: root, size: 4 });
    await rm(join(root, '2.png'));
    await expect(set.read([0, 1])).rejects.toThrowWith({ code: 'DATA_NOT_FOUND', contains: ['2.png'] });
    await symlink(join(root, 'nowhere.png'), join(root, '3.png'));
    await expect(openImageFolder({ path: root, size: 4 })).rejects.toThrowWith({
      code: 'DATA_NOT_FOUND',
      contains: ['3.png', 'link'],
    });
  });

  // root may read everything.
  it.skipIf(process.getuid?.() === 0)('names a file without the permission to read it', async () => {
    await chmod(await image('1.png', [1, 1, 1], { width: 4, height: 4 }), 0);
    const set = await openImageFolder({ path: root, size: 4 });
    await expect(set.read([0])).rejects.toThrowWith({ code: 'DATA_UNREADABLE', contains: ['1.png', 'permissions'] });
  });

  it('says what it leaves out: files of other kinds, folders without images', async () => {
    await image('a/1.png', [1, 1, 1], { width: 4, height: 4 });
    await writeFile(join(root, 'a', '1.txt'), '');
    await writeFile(join(root, 'a', '1.bmp'), '');
    await writeFile(join(root, 'a', '2.bmp'), '');
    await mkdir(join(root, 'b'));
    expect((await openImageFolder({ path: root, size: 4 })).notes).toEqual([
      expect.stringMatching(/^3 files .*2 \.bmp, 1 \.txt/),
      expect.stringContaining(join(root, 'b')),
    ]);
  });

  it('refuses labels that are far larger than its images need, or no regular file, without reading them', async () => {
    await image('1.png', [1, 2, 3], { width: 8, height: 8 });
    const labels = join(root, 'dataset.json');
    await writeFile(labels, '');
    await truncate(labels, 2 ** 34);
    await expect(openImageFolder({ path: root, size: 8 })).rejects.toMatchObject({ code: 'DATA_LIMIT' });
    await rm(labels);
    if (spawnSync('mkfifo', [labels]).status !== 0) return;
    await expect(openImageFolder({ path: root, size: 8 })).rejects.toMatchObject({ code: 'DATA_UNREADABLE' });
  });

  it("takes labels from EDM's dataset.json", async () => {
    await image('00000/1.png', [1, 1, 1], { width: 4, height: 4 });
    await image('00000/2.png', [2, 2, 2], { width: 4, height: 4 });
    // With a byte-order mark, as some editors write.
    await writeFile(join(root, 'dataset.json'), '\uFEFF{"labels": [["00000/2.png", 0], ["00000/1.png", 1]]}');
    const set = await openImageFolder({ path: root, size: 4 });
    expect([set.classes, [...(await set.read([0, 1])).labels!]]).toEqual([
      ['0', '1'],
      [1, 0],
    ]);
    await writeFile(join(root, 'dataset.json'), '{"labels": []}');
    await expect(openImageFolder({ path: root, size: 4 })).rejects.toThrowWith({
      code: 'DATA_INVALID',
      contains: ['2 of 2 images', 'label'],
    });
  });

  it('refuses folders and sizes that cannot be', async () => {
    await expect(openImageFolder({ path: root, size: 8 })).rejects.toThrowWith({
      code: 'DATA_EMPTY',
      contains: ['no images', '.jpg'],
    });
    await expect(openImageFolder({ path: join(root, 'absent'), size: 8 })).rejects.toThrowWith({
      code: 'DATA_NOT_FOUND',
      contains: ['absent'],
    });
    for (const size of [0, -1, 2.5, 5000, NaN]) {
      await expect(openImageFolder({ path: root, size })).rejects.toThrowWith({
        code: 'DATA_OPTION',
        contains: [`image size ${size};`],
      });
    }
    await image('loose.png', [1, 1, 1], { width: 4, height: 4 });
    await expect(openImageFolder({ path: join(root, 'loose.png'), size: 8 })).rejects.toThrowWith({
      code: 'DATA_NOT_FOUND',
      contains: ['loose.png', 'folder'],
    });
    await image('class/1.png', [1, 1, 1], { width: 4, height: 4 });
    await expect(openImageFolder({ path: root, size: 8 })).rejects.toThrowWith({
      code: 'DATA_INVALID',
      contains: ['(class, ...)', '(loose.png)'],
    });
  });
});
