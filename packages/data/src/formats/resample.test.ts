// Against Pillow 12.3: tools/parity/resample_fixture.py.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseNpz } from './npy-files.js';
import { resampleImages, type ResampleFilter } from './resample.js';
import { formulaImage } from '../testing/formula-image.js';

const fixture = await parseNpz(
  readFileSync(new URL('fixtures/pillow-resample.npz', import.meta.url)),
  'pillow-resample.npz',
);

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)));
}

describe('resampleImages', () => {
  it.each(Object.keys(fixture))('is within 1 level of Pillow: %s', (name) => {
    const [, filter, ...sizes] = /^(\w+) (\d+)x(\d+)x(\d+) to (\d+)x(\d+)$/.exec(name)!;
    const [h, w, c, height, width] = sizes.map(Number) as [number, number, number, number, number];
    const options = { shape: [1, h, w, c] as const, height, width, filter: filter as ResampleFilter };
    const resized = resampleImages(formulaImage(h, w, c), options);
    expect(resized.length).toBe(height * width * c);
    expect(largestDifference(resized, fixture[name]!.data as Uint8Array)).toBeLessThanOrEqual(1);
  });

  it('keeps a line in the middle: its center is target pixel 13 of 27', () => {
    const line = Uint8Array.from({ length: 9 }, (_, i) => (i === 4 ? 200 : 0));
    const resized = resampleImages(line, { shape: [1, 1, 9, 1], height: 1, width: 27, filter: 'bicubic' });
    // Pillow: Image.fromarray(line).resize((27, 1), Image.BICUBIC).
    expect([...resized]).toEqual([...Array(11).fill(0), 67, 156, 200, 156, 67, ...Array(11).fill(0)]);
  });

  it('takes several images, each for itself, and leaves its input as it is', () => {
    const images = Uint8Array.from([...formulaImage(6, 6, 3), ...formulaImage(6, 6, 3).toReversed()]);
    const options = { height: 9, width: 6, filter: 'lanczos3' } as const;
    const both = resampleImages(images, { ...options, shape: [2, 6, 6, 3] });
    const second = resampleImages(images.subarray(108), { ...options, shape: [1, 6, 6, 3] });
    expect([...both.subarray(9 * 6 * 3)]).toEqual([...second]);
    const same = resampleImages(images, { shape: [2, 6, 6, 3], height: 6, width: 6, filter: 'bicubic' });
    expect(same).toEqual(images);
    expect(same.buffer).not.toBe(images.buffer);
  });

  it('computes the part asked for only', () => {
    const [image, whole] = [formulaImage(20, 30, 3), { shape: [1, 20, 30, 3] as const, filter: 'lanczos3' as const }];
    for (const [height, width] of [
      [7, 11],
      [41, 47],
      [20, 30],
    ] as const) {
      const all = resampleImages(image, { ...whole, height, width });
      const crop = { top: 2, left: 3, height: 5, width: 8 };
      const part = resampleImages(image, { ...whole, height, width, crop });
      const rows = Array.from({ length: 5 }, (_, y) =>
        all.subarray(((2 + y) * width + 3) * 3, ((2 + y) * width + 11) * 3),
      );
      expect([...part]).toEqual(rows.flatMap((row) => [...row]));
    }
  });

  it('refuses impossible sizes, filters, and parts', () => {
    const options = { shape: [1, 2, 2, 1], height: 2, width: 2, filter: 'bicubic' } as const;
    expect(() => resampleImages(new Uint8Array(4), { ...options, height: 0 })).toThrow(RangeError);
    expect(() => resampleImages(new Uint8Array(4), { ...options, filter: 'nearest' as never })).toThrow(RangeError);
    for (const crop of [
      { top: 1, left: 0, height: 2, width: 2 },
      { top: 0, left: -1, height: 1, width: 1 },
      { top: 0, left: 0, height: 0, width: 1 },
    ]) {
      expect(() => resampleImages(new Uint8Array(4), { ...options, crop })).toThrow(RangeError);
    }
  });
});
