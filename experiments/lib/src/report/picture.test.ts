import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, expect, it } from 'vitest';
import { writePicture } from './picture.js';

const folder = mkdtempSync(join(tmpdir(), 'picture-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('writes labeled rows of images', async () => {
  const row = (first: number, second: number) => Uint8Array.from({ length: 32 }, (_, i) => (i < 16 ? first : second));
  const rows = [
    { name: 'a < b', images: row(0, 90) },
    { name: '', images: row(180, 255) },
  ];
  await writePicture(folder, { name: 'rows', caption: '', shape: [4, 4, 1], rows, scale: 4 });
  const { data, info } = await sharp(join(folder, 'rows.png')).grayscale().raw().toBuffer({ resolveWithObject: true });
  const margin = info.width - (2 * (16 + 2) + 2);
  expect([margin, info.height]).toEqual([190, 2 * (16 + 2) + 2]);
  const at = (x: number, y: number) => data[(y * info.width + x) * info.channels]!;
  const middles = [10, 28].map((y) => [10, 28].map((x) => at(margin + x, y)));
  expect(middles.flat().map((value, i) => Math.abs(value - [0, 90, 180, 255][i]!) <= 1)).toEqual([
    true,
    true,
    true,
    true,
  ]);
  const darkest = (top: number) =>
    Array.from({ length: 18 * margin }, (_, i) => at(i % margin, top + Math.floor(i / margin)));
  expect(Math.min(...darkest(1))).toBeLessThan(100);
  expect(Math.min(...darkest(20))).toBe(255);
});
