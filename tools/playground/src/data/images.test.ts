import { describe, expect, it } from 'vitest';
import { shiftedImages } from './augment.js';
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

it('shifts images in all directions', () => {
  const side = 3;
  const dot = Uint8Array.of(0, 0, 0, 0, 9, 0, 0, 0, 0);
  const shifted = shiftedImages(dot, side, 1);
  expect(shifted).toHaveLength(9 * 9);
  // The first copy is moved up and left, the middle one not at all; each pixel is hit once.
  const places = Array.from({ length: 9 }, (_, n) => shifted.subarray(9 * n, 9 * n + 9).indexOf(9));
  expect(places).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
});
