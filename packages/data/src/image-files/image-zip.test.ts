import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zipSync, type Zippable } from 'fflate';
import sharp from 'sharp';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openImageZip } from './image-zip.js';
import { openDataset } from '../datasets/open-dataset.js';

const pixel = async (gray: number, format: 'png' | 'gif' = 'png'): Promise<Uint8Array> =>
  sharp(Uint8Array.of(gray, gray, gray), { raw: { width: 1, height: 1, channels: 3 } })
    .toFormat(format)
    .toBuffer();

let one: Uint8Array;
let two: Uint8Array;
let path: string;
beforeAll(async () => {
  [one, two] = [await pixel(10), await pixel(20)];
});
beforeEach(async () => {
  path = join(await mkdtemp(join(tmpdir(), 'dm-zip-')), 'set.zip');
});
const zip = (files: Zippable) => writeFile(path, zipSync(files));

describe('openImageZip', () => {
  it('reads stored and deflated images, with folders as classes, in the order of paths', async () => {
    await zip({
      'b/2.png': [two, { level: 0 }],
      'a/1.png': [one, { level: 9 }],
      'b/readme.txt': new Uint8Array(3),
      '__MACOSX/b/2.png': new Uint8Array(3),
    });
    const set = await openDataset(path, { size: 1 });
    expect([set.length, set.shape, set.classes]).toEqual([2, [1, 1, 3], ['a', 'b']]);
    expect(set.notes).toEqual([expect.stringMatching(/^1 file .*1 \.txt/)]);
    const { images, labels } = await set.read([1, 0]);
    expect([[...images], [...labels!]]).toEqual([
      [20, 20, 20, 10, 10, 10],
      [1, 0],
    ]);
  });

  it('looks through a folder that holds all others', async () => {
    await zip({ 'flowers/rose/1.png': one, 'flowers/tulip/1.png': two });
    expect((await openImageZip({ path, size: 1 })).classes).toEqual(['rose', 'tulip']);
    await zip({ 'flowers/1.png': one, 'flowers/2.png': two });
    expect((await openImageZip({ path, size: 1 })).classes).toEqual(['flowers']);
  });

  it("takes labels from EDM's dataset.json", async () => {
    const json = (labels: unknown) => new TextEncoder().encode(JSON.stringify({ labels }));
    const files = { '00000/img1.png': one, '00000/img2.png': two };
    await zip({ ...files, 'dataset.json': json([['00000/img2.png', 0], ['00000/img1.png', 3]]) }); // prettier-ignore
    const set = await openImageZip({ path, size: 1 });
    expect([set.classes, [...(await set.read([0, 1])).labels!]]).toEqual([
      ['0', '1', '2', '3'],
      [3, 0],
    ]);
    await zip({ ...files, 'dataset.json': json(null) });
    expect((await (await openImageZip({ path, size: 1 })).read([0])).labels).toBeUndefined();
    await zip({ ...files, 'dataset.json': json([['00000/img2.png', 0]]) });
    await expect(openImageZip({ path, size: 1 })).rejects.toThrowWith({
      code: 'DATA_INVALID',
      contains: ['dataset.json: 1 of 2', '00000/img1.png'],
    });
    await zip({ ...files, 'dataset.json': json([['00000/img2.png', 'cat']]) });
    await expect(openImageZip({ path, size: 1 })).rejects.toThrowWith({
      code: 'DATA_INVALID',
      contains: ['dataset.json', '"cat"', '00000/img2.png', 'not an integer'],
    });
    await zip({ ...files, 'dataset.json': json(undefined) });
    await expect(openImageZip({ path, size: 1 })).rejects.toThrowWith({
      code: 'DATA_INVALID',
      contains: ['dataset.json', '"labels"'],
    });
    await zip({ ...files, 'dataset.json': new TextEncoder().encode('[') });
    await expect(openImageZip({ path, size: 1 })).rejects.toThrowWith({
      code: 'DATA_INVALID',
      contains: ['dataset.json', 'JSON'],
    });
  });

  it('refuses archives that are truncated, empty or none', async () => {
    await zip({ 'a/1.png': one, 'a/2.png': two });
    const bytes = await readFile(path);
    await writeFile(path, bytes.subarray(0, bytes.length - 30));
    await expect(openImageZip({ path, size: 1 })).rejects.toThrowWith({
      code: 'DATA_INVALID',
      contains: ['set.zip', 'zip archive'],
    });
    await zip({ 'readme.txt': new Uint8Array(3) });
    await expect(openImageZip({ path, size: 1 })).rejects.toThrowWith({
      code: 'DATA_EMPTY',
      contains: ['set.zip: no images', '.jpg'],
    });
    await writeFile(path, '');
    await expect(openImageZip({ path, size: 1 })).rejects.toThrowWith({
      code: 'DATA_INVALID',
      contains: ['set.zip', 'zip archive'],
    });
    await expect(openImageZip({ path: `${path}.absent`, size: 1 })).rejects.toThrowWith({
      code: 'DATA_NOT_FOUND',
      contains: ['absent'],
    });
    await expect(openDataset(path)).rejects.toThrowWith({ code: 'DATA_OPTION', contains: ['size'] });
  });

  it('names an image whose bytes have changed, and leaves it out on request', async () => {
    await zip({ 'a/1.png': [one, { level: 0 }], 'a/2.png': [two, { level: 0 }] });
    const bytes = await readFile(path);
    // Within the second image's own bytes, 30 bytes and the name after its header.
    bytes[bytes.lastIndexOf('PK\u0003\u0004') + 30 + 7 + 20]! ^= 1;
    await writeFile(path, bytes);
    const set = await openImageZip({ path, size: 1 });
    expect((await set.read([0])).images[0]).toBe(10);
    await expect(set.read([0, 1])).rejects.toThrowWith({
      code: 'DATA_CORRUPT',
      contains: ['set.zip/a/2.png: damaged', 'CRC-32'],
    });
    const good = await openImageZip({ path, size: 1, skipBad: true });
    expect([good.length, good.notes?.[0]]).toEqual([1, expect.stringMatching(/^1 of 2 images /)]);
    expect(good.notes?.[1]).toMatch(/a\/2\.png: damaged/);
  });

  it('refuses an entry that says it is smaller than what it unpacks to', async () => {
    const text = new Uint8Array(100_000);
    await zip({ '1.png': [text, { level: 9 }] });
    const bytes = await readFile(path);
    bytes.writeUInt32LE(50, bytes.lastIndexOf('PK\u0001\u0002') + 24);
    await writeFile(path, bytes);
    const set = await openImageZip({ path, size: 1 });
    await expect(set.read([0])).rejects.toThrowWith({ code: 'DATA_CORRUPT', contains: ['1.png: damaged'] });
  });
});
