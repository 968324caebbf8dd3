import { expect, it } from 'vitest';
import { halveImages } from './halve-images.js';

it('averages squares of 2x2 pixels', () => {
  // Two images of 2x4: means 2.5 (rounded up), 250, 0.25 (rounded down), 7.
  const pixels = [1, 2, 250, 250, 3, 4, 250, 250, 0, 1, 7, 7, 0, 0, 7, 7];
  expect([...halveImages(Uint8Array.from(pixels), [2, 4, 1])]).toEqual([3, 250, 0, 7]);
});

it('keeps images and channels apart', () => {
  const images = new Uint8Array(2 * 32 * 32 * 3);
  const set = (n: number, y: number, x: number, c: number, value: number) =>
    (images[((n * 32 + y) * 32 + x) * 3 + c] = value);
  set(1, 30, 2, 2, 100);
  set(1, 31, 3, 2, 41);
  const small = halveImages(images, [32, 32, 3]);
  expect(small).toHaveLength(2 * 16 * 16 * 3);
  expect(small[((16 + 15) * 16 + 1) * 3 + 2]).toBe(35);
  expect(small.reduce((sum, value) => sum + value, 0)).toBe(35);
});

it.each([
  [8, [1, 8, 1]],
  [8, [2, 4, 2]],
] as const)('refuses %d bytes as images of %j', (bytes, shape) => {
  expect(() => halveImages(new Uint8Array(bytes), shape)).toThrow(RangeError);
});
