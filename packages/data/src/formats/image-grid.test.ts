import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { imageGrid } from './image-grid.js';

async function pixels(png: Uint8Array) {
  const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, channels: info.channels, data: [...data] };
}

describe('imageGrid', () => {
  it('lays images out row by row with gaps', async () => {
    const images = Uint8Array.of(10, 20, 30);
    const grid = await pixels(await imageGrid(images, { shape: [1, 1, 1], columns: 2, gap: 1, background: 0 }));
    expect([grid.width, grid.height]).toEqual([5, 5]);
    const gray = grid.data.filter((_, i) => i % grid.channels === 0);
    expect(gray).toEqual([0, 0, 0, 0, 0, 0, 10, 0, 20, 0, 0, 0, 0, 0, 0, 0, 30, 0, 0, 0, 0, 0, 0, 0, 0]);
  });

  it('scales by repeating pixels and keeps colors', async () => {
    const images = Float32Array.of(-1, 0.2, 1, 1, -3, 3);
    const grid = await pixels(await imageGrid(images, { shape: [1, 2, 3], scale: 2, gap: 0 }));
    expect([grid.width, grid.height, grid.channels]).toEqual([4, 2, 3]);
    const row = [0, 153, 255, 0, 153, 255, 255, 0, 255, 255, 0, 255];
    expect(grid.data).toEqual([...row, ...row]);
  });

  it('is near square by default', async () => {
    const { width, height } = await pixels(await imageGrid(new Uint8Array(7 * 4), { shape: [2, 2, 1], gap: 0 }));
    expect([width, height]).toEqual([6, 6]);
  });

  it('refuses what is no picture', async () => {
    const shape = [2, 2, 1] as const;
    await expect(imageGrid(new Uint8Array(5), { shape })).rejects.toThrowWith({
      type: RangeError,
      contains: ['5 numbers', '2x2x1'],
    });
    await expect(imageGrid(new Uint8Array(0), { shape })).rejects.toThrowWith({
      type: RangeError,
      contains: ['0 numbers'],
    });
    await expect(imageGrid(new Uint8Array(8), { shape: [2, 2, 2] })).rejects.toThrowWith({
      type: RangeError,
      contains: ['1 or 3 channels', 'got 2'],
    });
    await expect(imageGrid(new Uint8Array(4), { shape, scale: 0 })).rejects.toThrowWith({
      type: RangeError,
      contains: ['scale', '>= 1', 'got 0'],
    });
    await expect(imageGrid(new Uint8Array(4), { shape, columns: 1.5 })).rejects.toThrowWith({
      type: RangeError,
      contains: ['columns', '>= 1', 'got 1.5'],
    });
    await expect(imageGrid(Float32Array.of(0, 0, NaN, 0), { shape })).rejects.toThrowWith({
      type: RangeError,
      contains: ['NaN'],
    });
  });
});
