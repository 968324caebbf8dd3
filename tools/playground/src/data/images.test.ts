import { describe, expect, it } from 'vitest';
import { shiftedImages } from './augment.js';
import { halveImages } from './average.js';
import { formatImages, parseImages } from './format.js';

describe('image files', () => {
  const images = { name: 'two', images: Uint8Array.of(1, 2, 3, 10, 5, 6, 7, 8), shape: [2, 2, 1] as const };

  it('round-trip with labels', () => {
    const labeled = {
      ...images,
      shape: [2, 2, 1] as [number, number, number],
      labels: Uint8Array.of(1, 0),
      classes: ['a', 'b'],
    };
    expect(parseImages(formatImages(labeled))).toEqual(labeled);
  });

  it('are refused if bytes are missing', () => {
    const bytes = formatImages({ ...images, shape: [2, 2, 1], classes: [] });
    expect(() => parseImages(bytes.slice(0, -1))).toThrow(RangeError);
  });
});

it('averages squares of 2x2 pixels', () => {
  // Two images of 2x4: means 2.5 (rounded up), 250, 0.25 (rounded down), 7.
  const pixels = [1, 2, 250, 250, 3, 4, 250, 250, 0, 1, 7, 7, 0, 0, 7, 7];
  expect([...halveImages(Uint8Array.from(pixels), 2, 4)]).toEqual([3, 250, 0, 7]);
});

it('shifts images in all directions', () => {
  const side = 3;
  const dot = Uint8Array.of(0, 0, 0, 0, 9, 0, 0, 0, 0);
  const shifted = shiftedImages(dot, side, 1);
  expect(shifted).toHaveLength(9 * 9);
  // The first copy is moved up and left, the middle one not at all; each pixel is hit once.
  const places = Array.from({ length: 9 }, (_, n) => shifted.subarray(9 * n, 9 * n + 9).indexOf(9));
  expect(places).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
});
