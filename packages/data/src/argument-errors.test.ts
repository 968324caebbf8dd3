import { expect, it } from 'vitest';
import { toBytes } from './batch/pixels.js';
import { imageGrid } from './formats/image-grid.js';
import { formatNpy } from './formats/npy.js';

it.each<[string, () => unknown]>([
  ['a pixel that is NaN', () => toBytes(new Float32Array([0, NaN]))],
  ['a shape that does not fit', () => formatNpy({ shape: [3], data: new Float32Array(2) })],
])('%s is a RangeError', (_, act) => {
  expect(act).toThrow(RangeError);
});

it('a grid of images of two channels is a RangeError', async () => {
  await expect((async () => imageGrid(new Uint8Array(8), { shape: [2, 2, 2] }))()).rejects.toThrow(RangeError);
});
