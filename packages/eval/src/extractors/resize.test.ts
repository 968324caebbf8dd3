import '@tensorflow/tfjs-backend-cpu';
import { readFileSync } from 'node:fs';
import { parseSafetensors } from '@dm/models';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { resizeAntialiased, resizeBilinear, resizeLibvips, resizeMethods, resizeName } from './resize.js';
import { formulaImages } from '../testing/images.js';

// From tools/extractors/resize_fixture.py.
const fixture = parseSafetensors(readFileSync(new URL('fixtures/resize.safetensors', import.meta.url)));

/** Black and white in turn: what aliases most. */
function checkerboard(size: number) {
  const data = Uint8Array.from({ length: size * size }, (_, i) => 255 * ((Math.floor(i / size) + i) % 2));
  return { data, shape: [1, size, size, 1] as const };
}

const bilinear = ({ data, shape }: { data: Uint8Array; shape: readonly number[] }, size: number) =>
  tf.tidy(() => resizeBilinear(tf.tensor4d(Float32Array.from(data), [...shape] as never), size).dataSync());

describe('resizeBilinear', () => {
  it.each(Object.keys(fixture.tensors))("is PyTorch's interpolation, %s", (name) => {
    const [from, to] = name.split(' to ').map(Number) as [number, number];
    const resized = bilinear(formulaImages(2, from), to);
    expect(resized).toBeAllClose(fixture.tensors[name]!.data, { rtol: 1e-6, relativeTo: 'norm' });
  });
});

describe('resizeAntialiased', () => {
  it('is centered, as Pillow is: a line stays in the middle', () => {
    const line = Uint8Array.from({ length: 81 }, (_, i) => (i % 9 === 4 ? 200 : 0));
    const { data, shape } = resizeAntialiased({ data: line, shape: [1, 9, 9, 1] }, 27);
    expect(shape).toEqual([1, 27, 27, 1]);
    // Pillow: Image.fromarray(line).resize((27, 27), Image.BICUBIC), any row.
    expect([...data.subarray(27, 54)]).toEqual([...Array(11).fill(0), 67, 156, 200, 156, 67, ...Array(11).fill(0)]);
  });

  it('turns a fine checkerboard gray, whereas the bilinear method aliases', () => {
    const { data, shape } = resizeAntialiased(checkerboard(64), 21);
    expect(shape).toEqual([1, 21, 21, 1]);
    const inside = Array.from(data).filter((_, i) => i % 21 > 1 && i % 21 < 19 && i > 42 && i < 21 * 19);
    expect(Math.max(...inside.map((value) => Math.abs(value - 127.5)))).toBeLessThan(20);
    const aliased = bilinear(checkerboard(64), 21);
    expect(Math.max(...aliased) - Math.min(...aliased)).toBeGreaterThan(200);
  });
});

describe('resizeLibvips', () => {
  it('is what was called antialiased before: it shifts what it enlarges by half a pixel', async () => {
    const line = Uint8Array.from({ length: 81 }, (_, i) => (i % 9 === 4 ? 200 : 0));
    const { data } = await resizeLibvips({ data: line, shape: [1, 9, 9, 1] }, 27);
    expect([...data.subarray(38, 44)]).toEqual([27, 113, 187, 187, 113, 27]);
  });
});

describe.each([
  ['resizeAntialiased', resizeAntialiased],
  ['resizeLibvips', resizeLibvips],
])('%s', (_, resize) => {
  it('keeps constant images, channels and the order of images', async () => {
    const data = Uint8Array.from({ length: 3 * 10 * 10 * 3 }, (_, i) => 40 * (1 + Math.floor(i / 300)) + (i % 3));
    const resized = await resize({ data, shape: [3, 10, 10, 3] }, 33);
    expect(resized.data).toEqual(
      Uint8Array.from({ length: 3 * 33 * 33 * 3 }, (_, i) => 40 * (1 + Math.floor(i / 3267)) + (i % 3)),
    );
  });

  it('leaves images of that size as they are', async () => {
    const images = formulaImages(2, 9);
    expect(await resize(images, 9)).toBe(images);
  });
});

it('names of methods in statistics files', () => {
  expect(resizeMethods.map((method) => resizeName(method, 96))).toEqual([
    'Pillow bicubic 96x96',
    'bilinear 96x96',
    'antialiased bicubic 96x96',
  ]);
});

it('an unknown method is refused, not recorded', () => {
  expect(() => resizeName('bicubic' as 'bilinear', 96)).toThrowWith({
    type: RangeError,
    contains: ['resize', 'antialiased, bilinear, libvips', '"bicubic"'],
  });
});
