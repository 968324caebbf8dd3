import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import crc32 from 'crc-32';
import { zipSync } from 'fflate';
import { beforeEach, describe, expect, it } from 'vitest';
import { openDataset } from './datasets/open-dataset.js';
import { formatNpy, parseNpy } from './formats/npy.js';
import { limitNames, resolveLimits } from './limits.js';
import { gifOf, gzippedIdxOf, jpegOf, overlappingZip, pngOf, webpOf } from './testing/bombs.js';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'dm-limits-'));
});

/** A data set of one file's bytes under `name`: a folder with it where it is an image. */
async function read(name: string, bytes: Uint8Array, options: Parameters<typeof openDataset>[1] = {}) {
  const path = join(dir, name);
  await writeFile(path, bytes);
  const spec = /\.(?:zip|npz|npy)$/.test(name) ? path : name.endsWith('.gz') ? `idx:${path}` : `folder:${dir}`;
  const set = await openDataset(spec, { size: 4, ...options });
  await set.read(Array.from({ length: set.length }, (_, i) => i));
  return set;
}

const limitError = (name: string) => ({
  code: 'DATA_LIMIT',
  message: expect.stringContaining(`--limit ${name}=`) as string,
});

describe('images', () => {
  it.each([
    ['WebP', 'x.webp', () => webpOf(16_383, 16_383)],
    ['GIF', 'x.gif', () => gifOf(16_383, 16_383)],
    ['PNG', 'x.png', () => pngOf(16_384, 16_384)],
    ['JPEG', 'x.jpg', () => jpegOf(16_384, 0)],
  ])('a %s of 268 megapixels is refused by its header', async (_, name, make) => {
    const bytes = await make();
    expect(bytes.length).toBeLessThan(1e6);
    await expect(read(name, bytes)).rejects.toMatchObject(limitError('maxPixels'));
  });

  it('the files are what they seem: smaller ones are read', async () => {
    await read('a.webp', webpOf(64, 64));
    await read('b.gif', gifOf(64, 64));
    await read('c.png', await pngOf(64, 64));
    expect((await read('d.jpg', jpegOf(1024, 3))).length).toBe(4);
  });

  it('the limit on pixels can be changed, and skipBad leaves out what is above it', async () => {
    const limits = { maxPixels: 1000 };
    await expect(read('a.webp', webpOf(64, 64), { limits })).rejects.toMatchObject(limitError('maxPixels'));
    const set = await read('b.webp', webpOf(8, 8), { limits, skipBad: true });
    expect([set.length, set.notes?.[0]]).toEqual([1, expect.stringMatching(/^1 of 2 images /)]);
  });

  it('a JPEG of thousands of scans is refused', async () => {
    await expect(read('x.jpg', jpegOf(1024, 5000))).rejects.toMatchObject(limitError('maxScans'));
  });

  it('an SVG or TIFF under the name of a PNG is refused: only the formats that are named are decoded', async () => {
    const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>';
    await expect(read('x.png', Buffer.from(svg))).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
  });

  it('many small files that are much in all are refused in the end', async () => {
    const image = webpOf(4096, 4096);
    const names = Array.from({ length: 30 }, (_, i) => `${i}.webp`);
    const zip = zipSync(Object.fromEntries(names.map((name) => [name, image])));
    expect(zip.length).toBeLessThan(10_000);
    await expect(read('x.zip', zip)).rejects.toMatchObject(limitError('maxRatio'));
  });
});

describe('archives and arrays', () => {
  const zeros = new Uint8Array(2 ** 27 + 1);

  it('an entry of a zip archive that unpacks to more than an image may have', async () => {
    const zip = zipSync({ 'x.png': [zeros, { level: 9 }] });
    expect(zip.length).toBeLessThan(1e6);
    await expect(read('x.zip', zip)).rejects.toMatchObject(limitError('maxFileBytes'));
  });

  it('a zip archive whose files are one and the same', async () => {
    const png = await pngOf(8, 8);
    const names = Array.from({ length: 1000 }, (_, i) => `${i}.png`);
    const one = overlappingZip(['a.png'], deflateRawSync(png), png.length, crc32.buf(png) >>> 0);
    expect((await read('one.zip', one)).length).toBe(1);
    const zip = overlappingZip(names, deflateRawSync(png), png.length, crc32.buf(png) >>> 0);
    await expect(read('x.zip', zip)).rejects.toMatchObject({
      code: 'DATA_CORRUPT',
      message: expect.stringContaining('overlaps') as string,
    });
  });

  it('a zip archive with more files, or deeper folders, than allowed', async () => {
    const png = await pngOf(2, 2);
    await expect(
      read('x.zip', zipSync({ 'a.png': png, 'b.png': png }), { limits: { maxImages: 1 } }),
    ).rejects.toMatchObject(limitError('maxImages'));
    // Looking for the common folder took the square of the depth.
    const deep = zipSync(Object.fromEntries([1, 2, 3].map((i) => [`${'a/'.repeat(30_000)}${i}.png`, png])));
    await expect(read('x.zip', deep)).rejects.toMatchObject(limitError('maxDepth'));
  });

  it('a dataset.json in an archive that is far larger than labels of its images', async () => {
    const zip = zipSync({
      '1.png': await pngOf(2, 2),
      'dataset.json': [new Uint8Array(2 ** 25).fill(0x20), { level: 9 }],
    });
    await expect(read('x.zip', zip)).rejects.toMatchObject({ code: 'DATA_LIMIT' });
  });

  it('an npz whose arrays unpack to more than its limit', async () => {
    const npz = zipSync({
      'x.npy': [
        formatNpy({ shape: [1, 2 ** 14, 2 ** 14 + 1], data: new Uint8Array(2 ** 14 * (2 ** 14 + 1)) }),
        { level: 9 },
      ],
    });
    expect(npz.length).toBeLessThan(1e6);
    await expect(read('x.npz', npz)).rejects.toMatchObject(limitError('maxUnpackedBytes'));
  });

  it('a gzipped idx file that says, or has, more than its limit', async () => {
    await expect(read('x.gz', gzippedIdxOf([2 ** 15, 2 ** 10, 2 ** 10], 10_000))).rejects.toMatchObject(
      limitError('maxUnpackedBytes'),
    );
    // Its header says less: what follows is not unpacked.
    await expect(read('y.gz', gzippedIdxOf([4, 16, 16], 2 ** 26))).rejects.toMatchObject({
      code: 'DATA_CORRUPT',
      message: expect.stringContaining('but more follow') as string,
    });
    const limits = { maxImages: 100 };
    await expect(read('z.gz', gzippedIdxOf([2000, 1, 1]), { limits })).rejects.toMatchObject(limitError('maxImages'));
  });

  it('the header of a npy file that is long: understanding it took the square of its length', () => {
    const text = `{'descr': '|u1', 'fortran_order': False, 'shape': (1,)${' '.repeat(200_000)}x`;
    const bytes = Buffer.concat([
      Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 2, 0, 0, 0, 0, 0]),
      Buffer.from(text),
    ]);
    bytes.writeUInt32LE(text.length, 8);
    expect(() => parseNpy(bytes, 'x')).toThrow(expect.objectContaining({ code: 'DATA_UNSUPPORTED' }));
  });

  it('a label that is a list in a list, 100,000 deep', async () => {
    await mkdir(join(dir, '00000'));
    await writeFile(join(dir, '00000', '1.png'), await pngOf(2, 2));
    const deep = '['.repeat(100_000) + ']'.repeat(100_000);
    await writeFile(join(dir, 'dataset.json'), `{"labels": [${deep}]}`);
    await expect(openDataset(`folder:${dir}`, { size: 2 })).rejects.toMatchObject({ code: 'DATA_INVALID' });
  });
});

describe('limits', () => {
  it('are named, and refused if unknown or below 1', () => {
    expect(limitNames.toSorted()).toEqual(Object.keys(resolveLimits()).toSorted());
    expect(() => resolveLimits({ maxPixel: 1 } as object)).toThrow(RangeError);
    expect(() => resolveLimits({ maxPixels: 0 })).toThrowWith({
      type: RangeError,
      contains: ['limits.maxPixels', '>= 1'],
    });
  });

  it('on unpacked bytes grow with the file', () => {
    expect(resolveLimits({}, 1000).maxUnpackedBytes).toBe(2 ** 28);
    expect(resolveLimits({}, 1e9).maxUnpackedBytes).toBe(32e9);
  });
});
