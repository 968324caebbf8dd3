// Against Pillow 12.3: tools/parity/resample_fixture.py.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseNpz } from './npy.js';
import { resampleImages, type ResampleFilter } from './resample.js';

const fixture = await parseNpz(
  readFileSync(new URL('fixtures/pillow-resample.npz', import.meta.url)),
  'pillow-resample.npz',
);

/** The part of `size` x `size` images of a closed formula that tools/extractors/formula.py has too. */
function formulaImage(height: number, width: number, channels: number): Uint8Array {
  return Uint8Array.from({ length: height * width * channels }, (_, i) => {
    const [c, x, y] = [i % channels, Math.floor(i / channels) % width, Math.floor(i / channels / width)];
    return Math.floor((x * x + 3 * y * y + 5 * x * y * c) / 16) % 256;
  });
}

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

  it('refuses impossible sizes and filters', () => {
    const options = { shape: [1, 2, 2, 1], height: 2, width: 2, filter: 'bicubic' } as const;
    expect(() => resampleImages(new Uint8Array(4), { ...options, height: 0 })).toThrow(RangeError);
    expect(() => resampleImages(new Uint8Array(4), { ...options, filter: 'nearest' as never })).toThrow(RangeError);
  });
});
