// Against Pillow 12.3: tools/parity/resample_fixture.py.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDataset, type OpenDatasetOptions } from '../datasets/open-dataset.js';
import { DataError } from '../errors.js';
import type { ImageResize } from '../formats/decode-image.js';
import { parseNpz } from '../formats/npy-files.js';
import { formulaImage } from '../testing/formula-image.js';

const fixture = await parseNpz(
  readFileSync(new URL('../formats/fixtures/pillow-load.npz', import.meta.url)),
  'pillow-load.npz',
);

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'dm-resize-'));
});
afterAll(() => rmSync(root, { recursive: true }));

async function pngOf(data: Uint8Array, [height, width, channels]: readonly [number, number, number]): Promise<Buffer> {
  const raw = { width, height, channels: channels as 1 | 3 };
  return sharp(data, { raw })
    .toColorspace(channels === 1 ? 'b-w' : 'srgb')
    .png()
    .toBuffer();
}

/** A folder and an archive of one image. */
async function specsOf(data: Uint8Array, shape: readonly [number, number, number]): Promise<string[]> {
  const folder = mkdtempSync(join(root, 'images-'));
  const png = await pngOf(data, shape);
  writeFileSync(join(folder, 'x.png'), png);
  writeFileSync(`${folder}.zip`, zipSync({ 'x.png': png }));
  return [`folder:${folder}`, `${folder}.zip`];
}

async function firstOf(spec: string, options: OpenDatasetOptions): Promise<number[]> {
  return [...(await (await openDataset(spec, options)).read([0])).images];
}

describe('image files', () => {
  it.each(Object.keys(fixture))('are within 1 level of Pillow: %s', async (name) => {
    const [, resize, ...sizes] = /^(\w+) (\d+)x(\d+)x(\d+) as (\d+)$/.exec(name)!;
    const [height, width, channels, size] = sizes.map(Number) as [number, number, 1 | 3, number];
    const reference = fixture[name]!.data;
    for (const spec of await specsOf(formulaImage(height, width, channels), [height, width, channels])) {
      const loaded = await firstOf(spec, { size, channels, resize: resize as ImageResize });
      expect(loaded).toHaveLength(reference.length);
      expect(Math.max(...loaded.map((value, i) => Math.abs(value - Number(reference[i]))))).toBeLessThanOrEqual(1);
    }
  });

  it('are enlarged without a shift, unless by the method of earlier versions', async () => {
    const line = Uint8Array.from({ length: 81 }, (_, i) => (i % 9 === 4 ? 200 : 0));
    const [spec = ''] = await specsOf(line, [9, 9, 1]);
    const middleOf = async (resize?: ImageResize) =>
      (await firstOf(spec, { size: 27, channels: 1, ...(resize && { resize }) })).slice(27 + 11, 27 + 16);
    expect(await middleOf()).toEqual([67, 156, 200, 156, 67]);
    const former = await middleOf('libvips');
    expect([former[2], former[3]]).toEqual([187, 187]);
  });

  it('have a hash that contains the method, if it changes the pixels', async () => {
    const hashes = async (spec: string) =>
      Promise.all(
        (['bicubic', 'lanczos3', 'libvips'] as const).map(async (resize) =>
          (await openDataset(spec, { size: 8, channels: 1, resize })).hash(),
        ),
      );
    const [larger = ''] = await specsOf(formulaImage(9, 9, 1), [9, 9, 1]);
    expect(new Set(await hashes(larger)).size).toBe(3);
    // Images that are only cropped are the same by each method.
    const [same = ''] = await specsOf(formulaImage(8, 12, 1), [8, 12, 1]);
    expect(new Set(await hashes(same)).size).toBe(1);
  });

  it('have no other methods', async () => {
    const [spec = ''] = await specsOf(formulaImage(9, 9, 1), [9, 9, 1]);
    await expect(openDataset(spec, { size: 8, resize: 'bilinear' as never })).rejects.toThrowWith({
      type: DataError,
      code: 'DATA_OPTION',
      contains: ['bilinear', 'libvips'],
    });
  });
});
