import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeEach, describe, expect, it } from 'vitest';
import { openEmoji } from './emoji.js';

let from: string;
let root: string;

/** A package of the real one's form with a sheet of 2x2 cells of 16 pixels; each cell has its own red, one is empty. */
beforeEach(async () => {
  from = await mkdtemp(join(tmpdir(), 'dm-emoji-'));
  root = join(from, 'node_modules', 'emoji-datasource-twitter');
  const sheets = join(root, 'img', 'twitter', 'sheets-clean');
  await mkdir(sheets, { recursive: true });
  await writeFile(join(root, 'package.json'), '{"name":"emoji-datasource-twitter"}');
  const side = 36;
  const data = new Uint8Array(side * side * 4);
  for (const [column, line, red] of [
    [0, 0, 10],
    [1, 0, 20],
    [0, 1, 30],
  ] as const) {
    for (let y = 0; y < 16; y++) {
      for (let x = 0; x < 16; x++) data.set([red, y, x, 255], ((line * 18 + 1 + y) * side + column * 18 + 1 + x) * 4);
    }
  }
  await sharp(data, { raw: { width: side, height: side, channels: 4 } })
    .png()
    .toFile(join(sheets, '16.png'));
  const cell = (sheet_x: number, sheet_y: number) => ({ sheet_x, sheet_y, has_img_twitter: true });
  const emoji = [
    { ...cell(1, 0), category: 'Food & Drink' },
    { ...cell(0, 0), category: 'Activities', skin_variations: { '1F3FB': cell(0, 1) } },
    { ...cell(5, 5), category: 'Flags', has_img_twitter: false },
    { ...cell(1, 1), category: 'Food & Drink' },
  ];
  await writeFile(join(root, 'emoji.json'), JSON.stringify(emoji));
});

describe('openEmoji', () => {
  it('cuts the sheet into images on white, categories as classes', async () => {
    const set = await openEmoji({ from, size: 16 });
    expect([set.length, set.shape, set.classes]).toEqual([4, [16, 16, 3], ['Activities', 'Food & Drink']]);
    const { images, labels } = await set.read([0, 1, 2, 3]);
    expect([...labels!]).toEqual([1, 0, 0, 1]);
    expect([0, 1, 2, 3].map((n) => [...images.subarray(n * 768, n * 768 + 6)])).toEqual([
      [20, 0, 0, 20, 0, 1],
      [10, 0, 0, 10, 0, 1],
      [30, 0, 0, 30, 0, 1],
      [255, 255, 255, 255, 255, 255],
    ]);
    // The last pixel of the first image.
    expect([...images.subarray(765, 768)]).toEqual([20, 15, 15]);
  });

  it('says what is wrong', async () => {
    await expect(openEmoji({ from, size: 24 })).rejects.toThrowWith({
      code: 'DATA_OPTION',
      contains: ['size 24', '16, 20, 32, 64'],
    });
    await expect(openEmoji({ from, size: 32 })).rejects.toThrowWith({ code: 'DATA_NOT_FOUND', contains: ['32.png'] });
    await writeFile(join(root, 'emoji.json'), JSON.stringify([{ sheet_x: 9, sheet_y: 0, category: 'x', has_img_twitter: true }])); // prettier-ignore
    await expect(openEmoji({ from, size: 16 })).rejects.toThrowWith({
      code: 'DATA_INVALID',
      contains: ['image 0', 'outside'],
    });
    await writeFile(join(root, 'emoji.json'), '{}');
    await expect(openEmoji({ from, size: 16 })).rejects.toThrowWith({ code: 'DATA_INVALID', contains: ['emoji.json'] });
  });
});
